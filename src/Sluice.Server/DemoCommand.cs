using System.CommandLine;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Sluice.Client;
using Sluice.Protocol.Codec;

namespace Sluice.Server;

/// <summary><c>sluice demo</c>: has handwritten digits recognised by a running server, over HTTP and over gRPC.</summary>
/// <remarks>Exit codes: 0 both answers are the digit of the file's name, 1 one is not or the server cannot be asked.</remarks>
internal static class DemoCommand
{
    private const string Model = "digits";
    private const string Output = "probabilities";
    private const int Side = 8;
    private const double MostInk = 16;
    private const string Shades = " .:-=+*#%@";

    public static Command Create()
    {
        var command = new Command("demo", "Have a handwritten digit recognised over HTTP and over gRPC.");
        var http = new Option<string>("--http") { Description = "The server's HTTP port.", DefaultValueFactory = _ => "localhost:8000" };
        var grpc = new Option<string>("--grpc") { Description = "The server's gRPC port.", DefaultValueFactory = _ => "localhost:8001" };
        var digits = new Option<string>("--digits") { Description = "Folder of digit-<class>.json.", DefaultValueFactory = _ => "examples/digits" };
        var all = new Option<bool>("--all") { Description = "Show every digit of the folder instead of one." };
        foreach (var option in (Option[])[http, grpc, digits, all])
            command.Options.Add(option);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            try
            {
                var files = Directory.GetFiles(parsed.GetValue(digits)!, "digit-?.json").Order(StringComparer.Ordinal).ToList();
                if (files.Count == 0)
                    throw new FileNotFoundException($"no digit-<class>.json in {parsed.GetValue(digits)}");

                // The one in the middle of the usual ten is a 3, which looks like one.
                var shown = parsed.GetValue(all) ? files : [files[Math.Min(3, files.Count - 1)]];
                using var client = new SluiceClient(new Uri($"http://{parsed.GetValue(grpc)}"));
                using var web = new HttpClient { BaseAddress = new Uri($"http://{parsed.GetValue(http)}") };
                var isRight = true;
                foreach (var file in shown)
                    isRight &= await ShowAsync(file, web, client, cancellationToken).ConfigureAwait(false);
                return isRight ? 0 : 1;
            }
            catch (Exception error) when (error is SluiceException or HttpRequestException or IOException or JsonException)
            {
                await Console.Error.WriteLineAsync($"sluice demo: {error.Message}").ConfigureAwait(false);
                return 1;
            }
        });
        return command;
    }

    private static async Task<bool> ShowAsync(string file, HttpClient web, SluiceClient client, CancellationToken cancellationToken)
    {
        var body = await File.ReadAllBytesAsync(file, cancellationToken).ConfigureAwait(false);
        var label = Path.GetFileNameWithoutExtension(file)[^1] - '0';
        using var document = JsonDocument.Parse(body);
        float[] pixels = [.. document.RootElement.GetProperty("inputs")[0].GetProperty("data").EnumerateArray()
            .Select(pixel => pixel.GetSingle())];
        Console.WriteLine(Draw(pixels));
        var overHttp = await AskHttpAsync(body, web, cancellationToken).ConfigureAwait(false);
        var overGrpc = await AskGrpcAsync(pixels, client, cancellationToken).ConfigureAwait(false);
        return Report("HTTP", overHttp, label) & Report("gRPC", overGrpc, label);
    }

    private static async Task<float[]> AskHttpAsync(byte[] body, HttpClient web, CancellationToken cancellationToken)
    {
        using var content = new ByteArrayContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var response = await web.PostAsync(new Uri($"/v2/models/{Model}/infer", UriKind.Relative), content, cancellationToken)
            .ConfigureAwait(false);
        var text = await response.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false);
        if (!response.IsSuccessStatusCode)
            throw new HttpRequestException($"the HTTP port answered with status {(int)response.StatusCode}: {text}");
        using var answer = JsonDocument.Parse(text);
        return [.. answer.RootElement.GetProperty("outputs").EnumerateArray()
            .First(output => output.GetProperty("name").GetString() == Output)
            .GetProperty("data").EnumerateArray().Select(value => value.GetSingle())];
    }

    private static async Task<float[]> AskGrpcAsync(float[] pixels, SluiceClient client, CancellationToken cancellationToken)
    {
        var request = new InferRequestMessage
        {
            ModelName = Model,
            Inputs = [InferInput.Wrap<float>("image", pixels, 1, pixels.Length)],
        };
        using var result = await client.InferAsync(
            request, new CallOptions { Timeout = TimeSpan.FromSeconds(10) }, cancellationToken).ConfigureAwait(false);
        return result.GetSpan<float>(Output).ToArray();
    }

    private static string Draw(float[] pixels)
    {
        var picture = new StringBuilder();
        for (var row = 0; row < Side; row++)
        {
            picture.Append("    ");
            for (var column = 0; column < Side; column++)
                picture.Append(Shades[(int)(pixels[(row * Side) + column] / MostInk * (Shades.Length - 1))], 2);
            picture.AppendLine();
        }

        return picture.ToString();
    }

    private static bool Report(string way, float[] probabilities, int label)
    {
        var best = Array.IndexOf(probabilities, probabilities.Max());
        var verdict = best == label ? "right" : $"wrong, it is a {label}";
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{way}: this is a {best}, with probability {probabilities[best]:0.000} ({verdict})"));
        return best == label;
    }
}
