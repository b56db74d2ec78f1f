using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Server;
using Sluice.Server.Composition;
using Sluice.Testing;

namespace Sluice.Functional.Tests.History;

/// <summary>A server whose date the test sets, with a control plane, and its HTTP form.</summary>
internal sealed class HistoryServer : IAsyncDisposable
{
    private readonly LogRecorder _log = new();
    private readonly LoggerFactory _loggers;
    private readonly bool _ownsFolder;

    private HistoryServer(string? folder, SetTimeProvider clock, Func<ServerOptions, ServerOptions>? change, string[] models)
    {
        _loggers = new LoggerFactory([_log]);
        _ownsFolder = folder is null;
        Folder = folder ?? Directory.CreateTempSubdirectory("sluice-history-").FullName;
        Clock = clock;
        var repository = Directory.CreateDirectory(Path.Combine(Folder, "models")).FullName;
        if (models.Length > 0)
            TestModels.CopyTo(repository, models);
        var loopback = new IPEndPoint(IPAddress.Loopback, 0);
        var options = new ServerOptions
        {
            ModelRepositories = [repository],
            Grpc = loopback,
            Http = loopback,
            Metrics = loopback,
            WarmUp = false,
            StrictReadiness = false,
            GrpcTransport = ServerFixture.Transport,
            ExitTimeout = TimeSpan.FromSeconds(20),
            ControlPlane = new ControlPlaneOptions { EndPoint = loopback, DataFolder = Path.Combine(Folder, "data"), Replica = "here" },
        };
        Host = new ServerHost(change?.Invoke(options) ?? options, _loggers, clock);
    }

    public ServerHost Host { get; }

    public string Folder { get; }

    public SetTimeProvider Clock { get; }

    public HttpClient Http { get; private set; } = null!;

    public HttpClient V2 { get; private set; } = null!;

    public bool ToleratesErrors { get; set; }

    /// <summary>Whether the test has stopped it.</summary>
    public bool HasStopped { get; set; }

    public long Now => Clock.Now.ToUnixTimeMilliseconds();

    public static async Task<HistoryServer> StartAsync(
        string? folder = null, SetTimeProvider? clock = null, Func<ServerOptions, ServerOptions>? change = null, params string[] models)
    {
        var server = new HistoryServer(folder, clock ?? new SetTimeProvider(), change, models);
        Assert.True(await server.Host.StartAsync(CancellationToken.None));
        server.Http = new HttpClient { BaseAddress = server.Host.ServeAddress };
        server.V2 = new HttpClient { BaseAddress = server.Host.HttpAddress };
        return server;
    }

    /// <summary>Makes a serving call.</summary>
    public async Task<(int Status, JsonNode Body)> CallAsync(string action, string json, string prefix = "/")
    {
        using var content = new StringContent(json, Encoding.UTF8, "application/json");
        using var response = await Http.PostAsync($"{prefix}serving.{action}", content);
        return ((int)response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync())!);
    }

    /// <summary>Makes a serving call that must succeed, and gives its data.</summary>
    public async Task<JsonNode> DataAsync(string action, string json = "{}", string prefix = "/")
    {
        var (status, body) = await CallAsync(action, json, prefix);
        Assert.True(status == 200, body.ToJsonString());
        Assert.Equal(200, (int)body["meta"]!["result_code"]!);
        return body["data"]!;
    }

    /// <summary>Makes a call of the control API that must succeed.</summary>
    public async Task<JsonNode> PostAsync(string path, string json)
    {
        using var content = new StringContent(json, Encoding.UTF8, "application/json");
        using var response = await Http.PostAsync(path, content);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, $"{path}: {response.StatusCode} {text}");
        return JsonNode.Parse(text)!;
    }

    /// <summary>Enters a test model in the registry.</summary>
    public async Task<JsonNode> UploadAsync(string model)
    {
        var source = Directory.CreateTempSubdirectory("sluice-upload-").FullName;
        TestModels.CopyTo(source, model);
        using var content = new ByteArrayContent(await File.ReadAllBytesAsync(Path.Combine(source, model, "1", "model.onnx")));
        Directory.Delete(source, recursive: true);
        using var response = await Http.PutAsync($"/v1/models:upload?name={model}&project=tests&file_name=model.onnx&framework=onnx", content);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonNode.Parse(text)!;
    }

    /// <summary>Reads a path of the metrics API, which must succeed.</summary>
    public async Task<JsonNode> GetAsync(string path)
    {
        using var response = await Http.GetAsync(path);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == HttpStatusCode.OK, $"{path}: {response.StatusCode} {text}");
        return JsonNode.Parse(text)!;
    }

    /// <summary>Reads rows until they show what the test waits for: looks at the counters are shared for a fifth of a second.</summary>
    public async Task<JsonNode> ListAsync(Func<JsonArray, bool> isThere)
    {
        using var limit = new CancellationTokenSource(ServerFixture.Patience);
        while (true)
        {
            var list = await GetAsync("/v1/metrics/endpoints");
            if (isThere(list["endpoints"]!.AsArray()))
                return list;
            Assert.False(limit.IsCancellationRequested, list.ToJsonString());
        }
    }

    /// <summary>Samples as the loop does each 30 s.</summary>
    public async Task SampleAsync()
    {
        await Host.History!.SampleAsync(CancellationToken.None);
        await Host.History!.FollowAsync(CancellationToken.None);
    }

    public async Task InferAsync(string model = "add_sub_int32", int count = 1)
    {
        var values = string.Join(',', Enumerable.Range(0, 16));
        var json = $$"""{"inputs":[{"name":"INPUT0","datatype":"INT32","shape":[1,16],"data":[{{values}}]},{"name":"INPUT1","datatype":"INT32","shape":[1,16],"data":[{{values}}]}]}""";
        for (var i = 0; i < count; i++)
        {
            using var content = new StringContent(json);
            using var response = await V2.PostAsync($"/v2/models/{model}/infer", content);
            Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
        }
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        V2.Dispose();
        Assert.True(HasStopped || await Host.StopAsync());
        await Host.DisposeAsync();
        _loggers.Dispose();
        var errors = _log.TakeErrors();
        _log.Dispose();
        if (_ownsFolder)
            Directory.Delete(Folder, recursive: true);
        Assert.True(ToleratesErrors || errors.Count == 0, string.Join('\n', errors));
    }
}
