using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Sluice.Functional.Tests.Control;
using Sluice.Testing;

namespace Sluice.Functional.Tests.Python;

/// <summary>Golden ClearML endpoints as their users have them: uploaded and added by the command line, called by <c>POST /serve</c>.</summary>
public sealed class ServeGoldenTests
{
    // Debian has no LightGBM library; the forest engine of another issue serves such files without it.
    // The control plane writes the declared sizes of image_triton_onnx, which leave the batch out, as the whole shape; the engine
    // itself is tested with that case by EndpointGoldenTests.
    private static readonly string[] Elsewhere = ["lightgbm_xn", "image_triton_onnx"];

    public static TheoryData<string> Names() => [.. Directory.EnumerateDirectories(GoldenSet.FolderOf("clearml"))
        .Select(folder => Path.GetFileName(folder)).Where(name => !Elsewhere.Contains(name)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Serve_GoldenRequests_GiveGoldenAnswers(string name)
    {
        var folder = Path.Combine(GoldenSet.FolderOf("clearml"), name);
        var about = PythonFixture.JsonOf(folder);
        await using var server = await ControlledServer.StartAsync();
        server.ToleratesErrors = true;
        await server.CreateServiceAsync();
        foreach (var endpoint in about.GetProperty("endpoints").EnumerateArray())
            await AddAsync(server, folder, endpoint);
        foreach (var request in about.GetProperty("requests").EnumerateArray())
        {
            var path = request.GetProperty("path").GetString()!["/serve/".Length..];
            var (status, body) = await server.ServeAsync(path, ContentOf(folder, request));
            Check(request, status, body);
        }
    }

    private static async Task AddAsync(ControlledServer server, string folder, JsonElement endpoint)
    {
        var (url, version) = (endpoint.GetProperty("url").GetString()!, Text(endpoint, "version"));
        List<string> words = ["model", "add", "--engine", endpoint.GetProperty("engine").GetString()!, "--endpoint", url];
        if (version is not null)
            words.AddRange(["--version", version]);
        if (Text(endpoint, "preprocess") is { } code)
            words.AddRange(["--preprocess", Path.Combine(folder, code)]);
        if (Text(endpoint, "model_file") is { } model)
        {
            var output = await server.DoAsync(
                "model", "upload", "--name", url, "--project", "golden", "--path", Path.Combine(folder, model));
            words.AddRange(["--model-id", ControlledServer.ModelIdText().Match(output).Groups[1].Value]);
        }

        foreach (var role in (string[])["input", "output"])
        {
            if (!endpoint.TryGetProperty($"{role}_name", out var names))
                continue;
            words.AddRange([$"--{role}-name", .. names.EnumerateArray().Select(item => item.GetString()!)]);
            words.AddRange([$"--{role}-type", .. endpoint.GetProperty($"{role}_type").EnumerateArray().Select(item => item.GetString()!)]);
            words.AddRange([$"--{role}-size", .. endpoint.GetProperty($"{role}_size").EnumerateArray().Select(item => item.GetRawText().Replace("\n", "", StringComparison.Ordinal))]);
        }

        await server.DoAsync([.. words]);
        await server.ReadyAsync(version is null ? url : $"{url}/{version}");
    }

    private static HttpContent ContentOf(string folder, JsonElement request)
    {
        HttpContent content = request.TryGetProperty("body_file", out var file)
            ? new ByteArrayContent(File.ReadAllBytes(Path.Combine(folder, file.GetString()!)))
            : new ByteArrayContent(Encoding.UTF8.GetBytes(request.GetProperty("body").GetRawText()));
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(request.GetProperty("content_type").GetString()!);
        return content;
    }

    private static void Check(JsonElement request, int status, JsonElement body)
    {
        var expected = request.GetProperty("expected_status").GetInt32();
        if (expected == 200)
        {
            Assert.True(status == 200, body.ToString());
            EndpointGoldenTests.Compare(request.GetProperty("expected_response"), body);
            return;
        }

        if (expected == 404)
        {
            Assert.Equal(404, status);
            return;
        }

        // ValueError is the caller's fault, anything else the endpoint's (spec §3.3, the middle column).
        var detail = body.GetProperty("detail").GetString()!;
        Assert.Contains(request.GetProperty("expected_detail_contains").GetString()!, detail, StringComparison.Ordinal);
        Assert.Equal(detail.Contains("ValueError", StringComparison.Ordinal) ? 422 : 500, status);
    }

    private static string? Text(JsonElement endpoint, string name) =>
        endpoint.TryGetProperty(name, out var value) ? value.GetString() : null;
}
