using System.Collections;
using Microsoft.Extensions.Logging;
using Sluice.Backends.Remote;
using Sluice.Control.AutoUpdate;
using Sluice.Control.Endpoints;
using Sluice.Control.Reconciler;
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

    private static readonly TimeSpan LongestStart = TimeSpan.FromMinutes(2);

    private readonly ModelLifecycle _models;
    private readonly IInferenceEngine _inner;
    private readonly string _workFolder = Path.Combine(Path.GetTempPath(), $"sluice-endpoints-{Environment.ProcessId}-{Guid.NewGuid():N}");
    private EndpointReconciler? _reconciler;
    private AutoUpdater? _updater;

    /// <param name="models">Models that this server runs itself; learns to find them by endpoints' names.</param>
    /// <param name="engine">Runs models.</param>
    /// <param name="table">All endpoints and canaries.</param>
    /// <param name="sampler">Takes samples of calls.</param>
    public EndpointParts(ModelLifecycle models, IInferenceEngine engine, EndpointTable table, IEndpointSampler sampler)
    {
        _models = models;
        _inner = engine;
        Table = table;
        Router = new EndpointRouter(Table, sampler);
        Engine = new CanaryEngine(engine, Table);
        models.Table.Aliases = new ModelAliases(Table).Find;
    }

    /// <summary>Runs models, and canaries by their names.</summary>
    public IInferenceEngine Engine { get; }

    /// <summary>All endpoints and canaries.</summary>
    public EndpointTable Table { get; }

    /// <summary>The way to endpoints, for front ends and for users' code.</summary>
    public EndpointRouter Router { get; }

    /// <summary>Every endpoint of the first state was tried once.</summary>
    public bool IsSettled => _reconciler?.Settled.IsCompleted ?? true;

    /// <summary>Path under which endpoints are called, without slashes at its ends.</summary>
    public static string ServePath =>
        Environment.GetEnvironmentVariable(Suffix)?.Trim('/') is { Length: > 0 } suffix ? suffix : "serve";

    /// <summary>The engine for models of other servers.</summary>
    public static RemoteBackend CreateRemote() => new(RemoteChannelOptions.Read(
        Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Select(entry => KeyValuePair.Create((string)entry.Key, (string?)entry.Value ?? ""))));

    /// <summary>The routes of endpoints.</summary>
    /// <param name="raisedStatus">HTTP status of exceptions of their code.</param>
    /// <param name="isReady">Says whether the server takes calls.</param>
    public IEnumerable<RestRoute> Routes(int raisedStatus, Func<bool> isReady) =>
        ServeRoutes.Create(Router, ServePath, raisedStatus, () => isReady() && IsSettled, IsReady);

    /// <summary>Begins to follow the desired state.</summary>
    /// <param name="control">The desired state, the registry, and the files.</param>
    /// <param name="engines">Engines that run users' code; owned by the caller.</param>
    /// <param name="pool">Memory for tensors.</param>
    /// <param name="loggers">For the parts.</param>
    /// <param name="time">The clock.</param>
    /// <param name="statistics">What is sampled where services say nothing.</param>
    public void Start(
        ControlParts control, IEnumerable<IEndpointEngine> engines, TensorBufferPool pool, ILoggerFactory loggers, TimeProvider time,
        StatisticsOptions statistics)
    {
        var options = new ReconcilerOptions
        {
            WorkFolder = _workFolder,
            ServesAllServices = control.ServesAllServices,
            RemoteGrpcServer = Environment.GetEnvironmentVariable(RemoteServer) is { Length: > 0 } server ? server : null,
            LogFrequency = statistics.LogFrequency,
            KafkaServer = statistics.KafkaServer,
            CompressesRemote = Environment.GetEnvironmentVariable(RemoteCompression)?.ToLowerInvariant() is "1" or "true" or "yes" or "on",
        };
        _reconciler = new EndpointReconciler(
            control.Plane, control.Plane.Models, control.Cache, control.Plane.Statuses, _models,
            [new TensorEndpointEngine(_inner, pool), .. engines], Table, Router, options, loggers.CreateLogger<EndpointReconciler>(), time);
        _updater = new AutoUpdater(
            control.Plane, control.Plane.Models, options.ServesAllServices, loggers.CreateLogger<AutoUpdater>(), time);
        _reconciler.Start();
        _updater.Start();
    }

    /// <summary>Waits until each endpoint of the first state was tried once, but not for ever.</summary>
    public async Task WaitUntilSettledAsync(TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            if (_reconciler is not null)
                await _reconciler.Settled.WaitAsync(LongestStart, time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // What takes longer comes later; its state says so.
        }
    }

    /// <summary>Lets all calls of endpoints end.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_updater is not null)
            await _updater.DisposeAsync().ConfigureAwait(false);
        if (_reconciler is not null)
            await _reconciler.DisposeAsync().ConfigureAwait(false);
        for (var attempt = 0; attempt < 3 && Directory.Exists(_workFolder); attempt++)
        {
            try
            {
                Directory.Delete(_workFolder, recursive: true);
            }
            catch (DirectoryNotFoundException)
            {
                // A model that ends at this moment removes its own part.
            }
        }
    }

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
