using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Sluice.Functional.Tests.Python;
using Sluice.Testing;

namespace Sluice.Functional.Tests.Control;

/// <summary>Every golden ClearML endpoint the way its users go: upload, add, <c>POST /serve</c>.</summary>
[Collection(PythonGroup.Name)]
public sealed class ClearMlGoldenTests
{
    public static TheoryData<string> Names() => [.. Directory.EnumerateDirectories(GoldenSet.FolderOf("clearml"))
        .Select(folder => Path.GetFileName(folder)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Example_FromTheCommandLine_AnswersAsTheOriginal(string name)
    {
        var folder = Path.Combine(GoldenSet.FolderOf("clearml"), name);
        var about = PythonFixture.JsonOf(folder);
        await using var server = await ControlledServer.StartAsync();
        await server.CreateServiceAsync();
        foreach (var endpoint in about.GetProperty("endpoints").EnumerateArray())
            await AddAsync(server, folder, endpoint);
        foreach (var request in about.GetProperty("requests").EnumerateArray())
            await CheckAsync(server, folder, request);
    }

    [Theory]
    [InlineData("key", 500)]
    [InlineData("value", 422)]
    public async Task Exception_OfTheCode_HasTheStatusOfOlderReleases_WhereAskedFor(string kind, int status)
    {
        var folder = Path.Combine(GoldenSet.FolderOf("clearml"), "raises");
        await using var server = await ControlledServer.StartAsync(
            change: options => options with { ControlPlane = options.ControlPlane! with { RaisedStatus = 500 } });
        await server.CreateServiceAsync();
        await AddAsync(server, folder, PythonFixture.JsonOf(folder).GetProperty("endpoints")[0]);
        using var content = new StringContent($$"""{"kind": "{{kind}}", "x": 3}""", Encoding.UTF8, "application/json");
        using var response = await server.Http.PostAsync("/serve/raises", content);
        Assert.Equal(status, (int)response.StatusCode);
    }

    private static async Task AddAsync(ControlledServer server, string folder, JsonElement endpoint)
    {
        var (url, version) = (endpoint.GetProperty("url").GetString()!, Text(endpoint, "version"));
        List<string> words = ["model", "add", "--engine", endpoint.GetProperty("engine").GetString()!, "--endpoint", url];
        if (version is not null)
            words.AddRange(["--version", version]);
        if (Text(endpoint, "model_file") is { } file)
        {
            var model = await server.JsonAsync(
                "model", "upload", "--name", url, "--project", "serving examples", "--path", Path.Combine(folder, file));
            words.AddRange(["--model-id", model.GetProperty("id").GetString()!]);
        }

        if (Text(endpoint, "preprocess") is { } code)
            words.AddRange(["--preprocess", Path.Combine(folder, code)]);
        foreach (var field in new[] { "input_name", "input_type", "input_size", "output_name", "output_type", "output_size" })
        {
            if (!endpoint.TryGetProperty(field, out var values))
                continue;
            words.Add("--" + field.Replace('_', '-'));
            words.AddRange(values.EnumerateArray().Select(value => value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText()));
        }

        await server.DoAsync([.. words]);
        await server.ReadyAsync(version is null ? url : $"{url}/{version}");
    }

    private static async Task CheckAsync(ControlledServer server, string folder, JsonElement request)
    {
        var body = Text(request, "body_file") is { } file
            ? await File.ReadAllBytesAsync(Path.Combine(folder, file))
            : Encoding.UTF8.GetBytes(request.GetProperty("body").GetRawText());
        using var content = new ByteArrayContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue(Text(request, "content_type") ?? "application/json");
        using var response = await server.Http.PostAsync(request.GetProperty("path").GetString(), content);
        var text = await response.Content.ReadAsStringAsync();
        var wanted = request.GetProperty("expected_status").GetInt32();
        Assert.True((int)response.StatusCode == wanted, $"{response.StatusCode}: {text}\n{request}");
        if (request.TryGetProperty("expected_response", out var expected))
            EndpointGoldenTests.Compare(expected, JsonElement.Parse(text));
        if (Text(request, "expected_detail_contains") is { } detail)
            Assert.Contains(detail, JsonElement.Parse(text).GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
