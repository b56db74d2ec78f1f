using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using Sluice.Cli;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Server;
using Sluice.Server.Composition;

namespace Sluice.Functional.Tests.Control;

/// <summary>A server with a control plane of its own, and the command line that edits it.</summary>
internal sealed partial class ControlledServer : IAsyncDisposable
{
    private readonly LogRecorder _log = new();
    private readonly LoggerFactory _loggers;
    private readonly bool _ownsFolder;

    private ControlledServer(string? folder, Func<ServerOptions, ServerOptions>? change, string[] models)
    {
        _loggers = new LoggerFactory([_log]);
        _ownsFolder = folder is null;
        Folder = folder ?? Directory.CreateTempSubdirectory("sluice-control-").FullName;
        var repository = Directory.CreateDirectory(Path.Combine(Folder, "models")).FullName;
        if (models.Length > 0)
            TestModels.CopyTo(repository, models);
        var loopback = new IPEndPoint(IPAddress.Loopback, 0);
        var options = new ServerOptions
        {
            ModelRepositories = [repository],
            Grpc = loopback,
            Http = loopback,
            Metrics = null,
            WarmUp = false,
            GrpcTransport = ServerFixture.Transport,
            ExitTimeout = TimeSpan.FromSeconds(20),
            HttpMaxInputBytes = 4 * 1024 * 1024,
            ControlPlane = new ControlPlaneOptions { EndPoint = loopback, DataFolder = Path.Combine(Folder, "data") },
        };
        Host = new ServerHost(change?.Invoke(options) ?? options, _loggers, TimeProvider.System);
    }

    public ServerHost Host { get; }

    /// <summary>For the test's files; the store is in it.</summary>
    public string Folder { get; }

    /// <summary>The port of <c>/serve</c>.</summary>
    public HttpClient Http { get; private set; } = null!;

    /// <summary>The serving service, once <see cref="CreateServiceAsync"/> has made it.</summary>
    public string ServiceId { get; set; } = "";

    /// <param name="folder">Of a server before this one, which goes on with its store; null = a new one that goes with this.</param>
    /// <param name="change">Other options.</param>
    /// <param name="models">Models of the server's repository.</param>
    public static async Task<ControlledServer> StartAsync(
        string? folder = null, Func<ServerOptions, ServerOptions>? change = null, params string[] models)
    {
        var server = new ControlledServer(folder, change, models);
        Assert.True(await server.Host.StartAsync(CancellationToken.None));
        server.Http = new HttpClient { BaseAddress = server.Host.ServeAddress };
        return server;
    }

    /// <summary>Path of a golden ONNX model.</summary>
    public static string Model(string name) => Path.Combine(Sluice.Testing.GoldenSet.FolderOf("onnx"), name, "model.onnx");

    /// <summary>Runs the command line; <c>--id</c> is the service, unless it is given.</summary>
    public async Task<(int Code, string Output, string Error)> CliAsync(params string[] words)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        string[] all =
        [
            "--server", Host.GrpcAddress!.ToString(), .. ServiceId.Length > 0 && !words.Contains("--id") ? ["--id", ServiceId] : Array.Empty<string>(),
            .. words,
        ];
        var code = await new ControlCommandLine("clearml-serving", TextReader.Null, output, error).RunAsync(all, CancellationToken.None);
        return (code, output.ToString(), error.ToString());
    }

    /// <summary>Runs the command line, which must succeed.</summary>
    public async Task<string> DoAsync(params string[] words)
    {
        var (code, output, error) = await CliAsync(words);
        Assert.True(code == 0, $"{string.Join(' ', words)}: {code}\n{output}{error}");
        return output;
    }

    /// <summary>Runs the command line, which must fail.</summary>
    public async Task<string> FailAsync(int expected, params string[] words)
    {
        var (code, output, error) = await CliAsync(words);
        Assert.True(code == expected, $"{string.Join(' ', words)}: {code}\n{output}{error}");
        return output + error;
    }

    public async Task<JsonElement> JsonAsync(params string[] words)
    {
        var (code, output, error) = await CliAsync([.. words, "--json"]);
        Assert.True(code == 0, $"{string.Join(' ', words)}: {code}\n{output}{error}");
        using var document = JsonDocument.Parse(output);
        return document.RootElement.Clone();
    }

    public async Task CreateServiceAsync(string name = "test") =>
        ServiceId = ServiceIdText().Match(await DoAsync("create", "--name", name)).Groups[1].Value;

    /// <summary>Uploads a golden ONNX model.</summary>
    /// <returns>Its id.</returns>
    public async Task<string> UploadAsync(string model, params string[] more) => ModelIdText().Match(await DoAsync(
        ["model", "upload", "--name", model, "--project", "tests", "--framework", "onnx", "--path", Model(model), .. more])).Groups[1].Value;

    /// <summary>Makes an endpoint of a golden ONNX model and waits until it is ready.</summary>
    public async Task AddAsync(string endpoint, string version, string modelId, params string[] more)
    {
        await DoAsync(
            ["model", "add", "--engine", "triton", "--endpoint", endpoint, .. version.Length > 0 ? ["--version", version] : Array.Empty<string>(),
                "--model-id", modelId, .. more]);
        await ReadyAsync(version.Length > 0 ? $"{endpoint}/{version}" : endpoint);
    }

    public Task ReadyAsync(string key) => StatusAsync($"/health/endpoints/{key}", 200);

    /// <summary>Waits until a path answers GET with a status.</summary>
    public async Task StatusAsync(string path, int status)
    {
        var last = 0;
        using var limit = new CancellationTokenSource(ServerFixture.Patience);
        while (last != status)
        {
            if (limit.IsCancellationRequested)
                Assert.Fail($"{path} answers {last}, not {status}\n{(await CliAsync("endpoint", "status")).Output}");
            using var response = await Http.GetAsync(path);
            last = (int)response.StatusCode;
            await Task.Yield();
        }
    }

    public async Task<(int Status, JsonElement Body)> ServeAsync(string path, string json) =>
        await ServeAsync(path, new StringContent(json, Encoding.UTF8, "application/json"));

    public async Task<(int Status, JsonElement Body)> ServeAsync(string path, HttpContent content)
    {
        using var response = await Http.PostAsync("/serve/" + path, content);
        var text = await response.Content.ReadAsStringAsync();
        content.Dispose();
        if (text.Length == 0)
            return ((int)response.StatusCode, default);
        using var document = JsonDocument.Parse(text);
        return ((int)response.StatusCode, document.RootElement.Clone());
    }

    /// <summary>The test provokes errors in the log.</summary>
    public bool ToleratesErrors { get; set; }

    /// <summary>Stops the server; fails when it logged an error, did not drain or kept memory.</summary>
    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        var hasDrained = await Host.StopAsync();
        var rented = Host.Pool.RentedCount;
        await Host.DisposeAsync();
        _loggers.Dispose();
        var errors = _log.TakeErrors();
        _log.Dispose();
        if (_ownsFolder)
            Directory.Delete(Folder, recursive: true);
        Assert.True(hasDrained, "calls were still running when the server stopped");
        Assert.True(ToleratesErrors || errors.Count == 0, string.Join('\n', errors));
        Assert.Equal(0, rented);
    }

    [GeneratedRegex("New Serving Service created: id=([0-9a-f]+)")]
    private static partial Regex ServiceIdText();

    [GeneratedRegex("new Model ID=([0-9a-f]+)")]
    internal static partial Regex ModelIdText();
}
