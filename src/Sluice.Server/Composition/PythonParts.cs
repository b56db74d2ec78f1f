using System.Text;
using Microsoft.Extensions.Logging;
using Sluice.Backends.Python;
using Sluice.Backends.Python.Endpoints;
using Sluice.Backends.Python.Models;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Tensors;

namespace Sluice.Server.Composition;

/// <summary>Builds what runs users' Python code, and its way back into the server.</summary>
internal sealed class PythonParts : IPythonServer, IAsyncDisposable
{
    private IInferenceEngine? _engine;
    private ModelLifecycle? _lifecycle;

    public PythonParts(ServerOptions options, TensorBufferPool pool, ILoggerFactory loggers, TimeProvider time)
    {
        Runtime = new PythonRuntime(pool, loggers, time, options.Python) { Server = this };
        Backends = [new PythonBackend(Runtime), new PythonBackend(Runtime, "sklearn")];
        Endpoints = new PythonEndpointEngine(
            Runtime, ModelParts.CreateConfig(options).BackendConfigFor("python"), options.ControlPlane?.EndpointWorkers ?? 1);
        Forests = new ForestExporter(Runtime);
    }

    /// <summary>What all Python processes share.</summary>
    public PythonRuntime Runtime { get; }

    public IReadOnlyList<IBackend> Backends { get; }

    /// <summary>Opens forests that scikit-learn saved, for the forest engine.</summary>
    public ForestExporter Forests { get; }

    /// <summary>Runs endpoints of the ClearML style; for the endpoints' data plane.</summary>
    public PythonEndpointEngine Endpoints { get; }

    /// <inheritdoc/>
    public IInferenceEngine Engine => _engine!;

    /// <summary>Makes the server known, before any model is loaded.</summary>
    public void Connect(IInferenceEngine engine, ModelLifecycle lifecycle) => (_engine, _lifecycle) = (engine, lifecycle);

    public string FormatMetrics() => Runtime.Metrics.Format();

    /// <inheritdoc/>
    public Task LoadModelAsync(
        string name, string? configJson, IReadOnlyDictionary<string, ReadOnlyMemory<byte>> files,
        CancellationToken cancellationToken) => _lifecycle!.LoadAsync(name, configJson, files, cancellationToken);

    /// <inheritdoc/>
    public Task UnloadModelAsync(string name, bool withDependents, CancellationToken cancellationToken) =>
        _lifecycle!.UnloadAsync(name, withDependents, cancellationToken);

    /// <inheritdoc/>
    public bool IsModelReady(string name, string version) =>
        _lifecycle!.Table.IsReady(Encoding.UTF8.GetBytes(name), Encoding.UTF8.GetBytes(version), out _);

    public async ValueTask DisposeAsync()
    {
        await Endpoints.DisposeAsync().ConfigureAwait(false);
        Runtime.Dispose();
    }
}
