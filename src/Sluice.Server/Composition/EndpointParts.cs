using System.Collections;
using Microsoft.Extensions.Logging;
using Sluice.Backends.Remote;
using Sluice.Control;
using Sluice.Control.Artifacts;
using Sluice.Control.AutoUpdate;
using Sluice.Control.Endpoints;
using Sluice.Control.Reconciler;
using Sluice.Control.Registry;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Rest.Routing;
using Sluice.Rest.Serve;
using Sluice.Tensors;

namespace Sluice.Server.Composition;

/// <summary>Builds what serves endpoints: their table, the way to them, and what brings them to the desired state.</summary>
internal sealed class EndpointParts : IAsyncDisposable
{
    private const string Suffix = "CLEARML_DEFAULT_SERVE_SUFFIX";
    private const string RemoteServer = "CLEARML_DEFAULT_TRITON_GRPC_ADDR";
    private const string RemoteCompression = "CLEARML_DEFAULT_TRITON_GRPC_COMPRESSION";

    private readonly ModelLifecycle _models;
    private EndpointReconciler? _reconciler;
    private AutoUpdater? _updater;

    /// <param name="models">Models that this server runs itself; learns to find them by endpoints' names.</param>
    public EndpointParts(ModelLifecycle models)
    {
        _models = models;
        Router = new EndpointRouter(Table);
        models.Table.Aliases = new ModelAliases(Table).Find;
    }

    /// <summary>All endpoints and canaries.</summary>
    public EndpointTable Table { get; } = new();

    /// <summary>The way to endpoints, for front ends and for users' code.</summary>
    public EndpointRouter Router { get; }

    /// <summary>Every endpoint of the first state was tried once.</summary>
    public bool IsSettled => _reconciler?.Settled.IsCompleted ?? true;

    /// <summary>The engine for models of other servers.</summary>
    public static RemoteBackend CreateRemote() => new(RemoteChannelOptions.Read(
        Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Select(entry => KeyValuePair.Create((string)entry.Key, (string?)entry.Value ?? ""))));

    /// <summary>Makes canaries callable as models.</summary>
    public IInferenceEngine Around(IInferenceEngine engine) => new CanaryEngine(engine, Table);

    /// <summary>The routes of endpoints.</summary>
    public IEnumerable<RestRoute> Routes(Func<bool> isReady)
    {
        var suffix = Environment.GetEnvironmentVariable(Suffix)?.Trim('/');
        return ServeRoutes.Create(Router, string.IsNullOrEmpty(suffix) ? "serve" : suffix, () => isReady() && IsSettled, IsReady);
    }

    /// <summary>Begins to follow the desired state.</summary>
    /// <param name="control">The desired state.</param>
    /// <param name="registry">Finds models.</param>
    /// <param name="artifacts">Fetches files.</param>
    /// <param name="statuses">Told how endpoints stand.</param>
    /// <param name="engines">Engines that run users' code; owned by the caller.</param>
    /// <param name="engine">Runs models.</param>
    /// <param name="pool">Memory for tensors.</param>
    /// <param name="workFolder">For models' folders while they are loaded.</param>
    /// <param name="loggers">For the parts.</param>
    /// <param name="time">The clock.</param>
    public void Start(
        IControlPlane control, IModelRegistry registry, IArtifactCache artifacts, IEndpointStatusSink statuses,
        IEnumerable<IEndpointEngine> engines, IInferenceEngine engine, TensorBufferPool pool, string workFolder, ILoggerFactory loggers,
        TimeProvider time)
    {
        var options = new ReconcilerOptions
        {
            WorkFolder = workFolder,
            RemoteGrpcServer = Environment.GetEnvironmentVariable(RemoteServer) is { Length: > 0 } server ? server : null,
            CompressesRemote = Environment.GetEnvironmentVariable(RemoteCompression)?.ToLowerInvariant() is "1" or "true" or "yes" or "on",
        };
        _reconciler = new EndpointReconciler(
            control, registry, artifacts, statuses, _models, [new TensorEndpointEngine(engine, FindModel, pool), .. engines], Table, Router, options,
            loggers.CreateLogger<EndpointReconciler>(), time);
        _updater = new AutoUpdater(control, registry, loggers.CreateLogger<AutoUpdater>(), time);
        _reconciler.Start();
        _updater.Start();
    }

    /// <summary>Lets all calls of endpoints end.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_updater is not null)
            await _updater.DisposeAsync().ConfigureAwait(false);
        if (_reconciler is not null)
            await _reconciler.DisposeAsync().ConfigureAwait(false);
    }

    private ModelSettings? FindModel(string name) => _models.Table.Find(name)?.Latest?.Servable?.Settings;

    private bool? IsReady(string key)
    {
        var snapshot = Table.Snapshot;
        if (snapshot.Canaries.TryGetValue(key, out var canary))
            return !canary.Resolution.Arms.IsEmpty;
        if (!snapshot.Endpoints.TryGetValue(key, out var state) && !snapshot.Latest.TryGetValue(key, out state))
            return null;
        return state.Loaded is { Runner.IsReady: true };
    }
}
