using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Functional.Tests.Infrastructure;

/// <summary>A plain client of the v2 HTTP protocol.</summary>
internal sealed class HttpInference(Uri address) : IDisposable
{
    private const string HeaderName = "Inference-Header-Content-Length";

    public HttpClient Client { get; } = new() { BaseAddress = address };

    public void Dispose() => Client.Dispose();

    public async Task<JsonElement> GetAsync(string path)
    {
        using var document = JsonDocument.Parse(await Client.GetStringAsync(path));
        return document.RootElement.Clone();
    }

    /// <summary>Sends a request as JSON or with its tensors in the binary part.</summary>
    public async Task<IReadOnlyList<GoldenTensor>> InferAsync(string model, IEnumerable<GoldenTensor> inputs, bool isBinary)
    {
        var tensors = inputs.ToList();
        var entries = tensors.Select(tensor =>
            $"{{\"name\":\"{tensor.Name}\",\"shape\":[{string.Join(',', tensor.Dims)}],\"datatype\":\"{tensor.DataType.WireName()}\"," +
            (isBinary ? $"\"parameters\":{{\"binary_data_size\":{tensor.Data.Length}}}}}" : $"\"data\":{HttpTensors.ToJson(tensor)}}}"));
        var json = $"{{\"parameters\":{{\"binary_data_output\":{(isBinary ? "true" : "false")}}},\"inputs\":[{string.Join(',', entries)}]}}";
        var (status, bytes, headLength) = await PostAsync(model, json, isBinary ? tensors.SelectMany(t => t.Data) : null);
        Assert.True(status == HttpStatusCode.OK, $"{status}: {Encoding.UTF8.GetString(bytes)}");
        return Read(bytes, headLength);
    }

    public async Task<(int Status, string Error)> FailAsync(string model, string json)
    {
        var (status, bytes, _) = await PostAsync(model, json, null);
        using var document = JsonDocument.Parse(bytes);
        return ((int)status, document.RootElement.GetProperty("error").GetString()!);
    }

    private async Task<(HttpStatusCode Status, byte[] Body, int HeadLength)> PostAsync(
        string model, string json, IEnumerable<byte>? binary)
    {
        var head = Encoding.UTF8.GetBytes(json);
        using var content = new ByteArrayContent([.. head, .. binary ?? []]);
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/v2/models/{model}/infer") { Content = content };
        if (binary is not null)
            request.Headers.Add(HeaderName, head.Length.ToString(CultureInfo.InvariantCulture));
        using var response = await Client.SendAsync(request);
        var body = await response.Content.ReadAsByteArrayAsync();
        var length = response.Headers.TryGetValues(HeaderName, out var values)
            ? int.Parse(values.Single(), CultureInfo.InvariantCulture)
            : body.Length;
        return (response.StatusCode, body, length);
    }

    private static List<GoldenTensor> Read(byte[] body, int headLength)
    {
        using var document = JsonDocument.Parse(body.AsMemory(0, headLength));
        var at = headLength;
        var outputs = new List<GoldenTensor>();
        foreach (var output in document.RootElement.GetProperty("outputs").EnumerateArray())
        {
            Assert.True(DataTypes.TryParse(output.GetProperty("datatype").GetString(), out var type));
            long[] dims = [.. output.GetProperty("shape").EnumerateArray().Select(dim => dim.GetInt64())];
            byte[] data;
            if (output.TryGetProperty("data", out var values))
            {
                data = HttpTensors.FromJson(type, values);
            }
            else
            {
                var length = output.GetProperty("parameters").GetProperty("binary_data_size").GetInt32();
                data = body[at..(at + length)];
                at += length;
            }

            outputs.Add(new GoldenTensor(output.GetProperty("name").GetString()!, type, dims, data, ""));
        }

        Assert.Equal(body.Length, at);
        return outputs;
    }
}
