using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Backends.Python;
using Sluice.Backends.Python.Endpoints;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Testing;

namespace Sluice.Functional.Tests.Python;

/// <summary>The endpoints of one golden case, loaded, calling each other by name.</summary>
internal sealed class EndpointCase : IEndpointCalls, IPythonServer, IAsyncDisposable
{
    private readonly Dictionary<string, IEndpointRunner> _runners = new(StringComparer.Ordinal);
    private readonly PythonRuntime _runtime;
    private readonly PythonEndpointEngine _engine;
    private readonly string _folder;

    private EndpointCase(PythonFixture server, string folder)
    {
        _folder = folder;
        Engine = server.Host.Engine;
        _runtime = new PythonRuntime(server.Host.Pool, NullLoggerFactory.Instance, TimeProvider.System) { Server = this };
        _engine = new PythonEndpointEngine(_runtime);
    }

    public IInferenceEngine Engine { get; }

    public JsonElement About { get; private init; }

    public static async Task<EndpointCase> LoadAsync(PythonFixture server, string name)
    {
        var folder = Path.Combine(GoldenSet.FolderOf("clearml"), name);
        var loaded = new EndpointCase(server, folder) { About = PythonFixture.JsonOf(folder) };
        foreach (var endpoint in loaded.About.GetProperty("endpoints").EnumerateArray())
            await loaded.AddAsync(loaded.PlanOf(endpoint));
        return loaded;
    }

    public static async Task<EndpointCase> OfCodeAsync(
        PythonFixture server, string engine, string code, string? modelPath = null, params (string Key, string Value)[] auxiliary)
    {
        var folder = Directory.CreateTempSubdirectory("sluice-endpoint-").FullName;
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(folder, (UnixFileMode)0b111_101_101);
        File.WriteAllText(Path.Combine(folder, "preprocess.py"), code);
        var loaded = new EndpointCase(server, folder);
        await loaded.AddAsync(new EndpointPlan
        {
            Key = "own",
            Engine = engine,
            ModelPath = modelPath,
            PreprocessPath = Path.Combine(folder, "preprocess.py"),
            RecordJson = """{"serving_url":"own","engine_type":"custom","version":""}""",
            Calls = loaded,
            Auxiliary = auxiliary.ToDictionary(pair => pair.Key, pair => pair.Value),
        });
        return loaded;
    }

    /// <summary>Loads one more endpoint.</summary>
    public async Task AddAsync(EndpointPlan plan)
    {
        try
        {
            _runners[plan.Key] = await _engine.LoadAsync(plan, CancellationToken.None);
        }
        catch
        {
            await DisposeAsync();
            throw;
        }
    }

    public IEndpointRunner Runner(string key) => _runners[key];

    public Task<EndpointReply> CallAsync(string key, string json, bool wantsStatistics = false) => _runners[key].RunAsync(
        new EndpointCall(EndpointBody.JsonObject, Encoding.UTF8.GetBytes(json), wantsStatistics, CancellationToken.None)).AsTask();

    /// <summary>Sends one of the case's requests.</summary>
    public async Task<EndpointReply> SendAsync(JsonElement request)
    {
        var isFile = request.TryGetProperty("body_file", out var file);
        var content = isFile
            ? File.ReadAllBytes(Path.Combine(_folder, file.GetString()!))
            : Encoding.UTF8.GetBytes(request.GetProperty("body").GetRawText());
        var version = request.TryGetProperty("version", out var text) ? text.GetString() : null;
        return await CallAsync(
            request.GetProperty("endpoint").GetString()!, version,
            new EndpointCall(isFile ? EndpointBody.Bytes : EndpointBody.JsonObject, content, true, CancellationToken.None));
    }

    public ValueTask<EndpointReply> CallAsync(string name, string? version, EndpointCall call)
    {
        var key = string.IsNullOrEmpty(version) ? name.Trim('/') : $"{name.Trim('/')}/{version}";
        return _runners.TryGetValue(key, out var runner)
            ? runner.RunAsync(call)
            : ValueTask.FromResult(EndpointReply.Fail(EndpointOutcome.NotFound, $"no endpoint '{key}'"));
    }

    public Task LoadModelAsync(
        string name, string? configJson, IReadOnlyDictionary<string, ReadOnlyMemory<byte>> files,
        CancellationToken cancellationToken) => Task.CompletedTask;

    public Task UnloadModelAsync(string name, bool withDependents, CancellationToken cancellationToken) => Task.CompletedTask;

    public bool IsModelReady(string name, string version) => false;

    public async ValueTask DisposeAsync()
    {
        foreach (var runner in _runners.Values)
            await runner.DisposeAsync().AsTask().WaitAsync(ServerFixture.Patience);
        await _engine.DisposeAsync();
        _runtime.Dispose();
    }

    private EndpointPlan PlanOf(JsonElement endpoint)
    {
        var (url, version) = (endpoint.GetProperty("url").GetString()!, Text(endpoint, "version"));
        return new EndpointPlan
        {
            Key = version is null ? url : $"{url}/{version}",
            Engine = endpoint.GetProperty("engine").GetString()!,
            ModelPath = Text(endpoint, "model_file") is { } model ? Path.Combine(_folder, model) : null,
            PreprocessPath = Text(endpoint, "preprocess") is { } code ? Path.Combine(_folder, code) : null,
            ModelName = endpoint.GetProperty("engine").GetString() == "triton" ? url : null,
            Inputs = Tensors(endpoint, "input"),
            Outputs = Tensors(endpoint, "output"),
            RecordJson = endpoint.GetRawText(),
            Calls = this,
        };
    }

    private static string? Text(JsonElement endpoint, string name) =>
        endpoint.TryGetProperty(name, out var value) ? value.GetString() : null;

    private static EndpointTensor[] Tensors(JsonElement endpoint, string role)
    {
        if (!endpoint.TryGetProperty($"{role}_name", out var names))
            return [];
        var types = endpoint.GetProperty($"{role}_type");
        var sizes = endpoint.GetProperty($"{role}_size");
        return
        [
            .. names.EnumerateArray().Select((name, i) => new EndpointTensor(
                name.GetString()!, types[i].GetString()!, [.. sizes[i].EnumerateArray().Select(size => size.GetInt64())])),
        ];
    }
}
