using Microsoft.Extensions.Logging;
using Sluice.Control;
using Sluice.Control.Api;
using Sluice.Control.Artifacts;
using Sluice.History.Api;
using Sluice.Rest;
using Sluice.Rest.Kestrel;
using Sluice.Rest.Routing;
using Sluice.Rest.Transcoding;
using Sluice.Rpc;
using Sluice.Rpc.Dispatch;
using Sluice.Tensors;

namespace Sluice.Server.Composition;

/// <summary>Builds the control plane and its port from the options.</summary>
internal sealed class ControlParts : IAsyncDisposable
{
    private readonly ControlPlaneOptions _options;

    private ControlParts(ControlPlaneOptions options, ILoggerFactory loggers, TimeProvider time)
    {
        _options = options;
        var folder = Path.GetFullPath(options.DataFolder);
        Store = options.Store.Length > 0 ? options.Store : Path.Combine(folder, "control.db");
        var defaults = new ControlOptions { Store = Store };
        Plane = new ControlPlane(
            defaults with
            {
                ServiceId = options.ServiceId,
                PollPeriod = options.PollPeriod,
                Replica = options.Replica.Length > 0 ? options.Replica : defaults.Replica,
                ProductVersion = ServerOptions.ProductVersion,
            },
            loggers, time);
        var artifacts = new ArtifactOptions
        {
            Destination = Destination(options.Artifacts, folder),
            CacheFolder = Path.Combine(folder, "cache"),
            CacheBytes = options.CacheBytes,
            MaxBytes = options.MaxArtifactBytes,
        };
        Storage = new ArtifactStorage(artifacts, time);
        Cache = new ArtifactCache(Storage, loggers.CreateLogger<ArtifactCache>(), time);
        Api = new ControlApi(Plane, Storage, loggers);
    }

    /// <summary>No service was named, so the endpoints of all are served.</summary>
    public bool ServesAllServices => _options.ServiceId.Length == 0;

    /// <summary>Address of the store.</summary>
    public string Store { get; }

    /// <summary>The desired state.</summary>
    public ControlPlane Plane { get; }

    /// <summary>Where files are stored.</summary>
    public ArtifactStorage Storage { get; }

    /// <summary>Local copies of files.</summary>
    public ArtifactCache Cache { get; }

    /// <summary>The control API.</summary>
    public ControlApi Api { get; }

    /// <summary>The port of <c>/serve</c> and of the control API; null before <see cref="CreateServer"/>.</summary>
    public RestServer? Server { get; private set; }

    /// <summary>Creates the parts; null when the options switch them off. Nothing is opened yet.</summary>
    public static ControlParts? Create(ServerOptions options, ILoggerFactory loggers, TimeProvider time) =>
        options.ControlPlane is { } control ? new ControlParts(control, loggers, time) : null;

    /// <summary>Creates the port; nothing listens yet.</summary>
    /// <param name="methods">All methods; those of the control API get their HTTP forms.</param>
    /// <param name="serving">Routes of endpoints.</param>
    /// <param name="rpc">Who may call.</param>
    /// <param name="options">Everything that can be set.</param>
    /// <param name="pool">Memory for bodies.</param>
    /// <param name="loggers">For the port.</param>
    public void CreateServer(
        MethodTable methods, IEnumerable<RestRoute> serving, RpcOptions rpc, ServerOptions options, TensorBufferPool pool,
        ILoggerFactory loggers)
    {
        var listen = new RestListenOptions
        {
            EndPoint = _options.EndPoint,
            MaxInputBytes = options.HttpMaxInputBytes,
            AccessLog = options.AccessLog,
            Tracing = rpc.Tracing,
            Authenticator = rpc.Authenticator,
            Tls = _options.Port.Tls,
            ReusesPort = _options.Port.ReusesPort,
        };
        Server = new RestServer(listen, new RestRouter([.. serving, .. Routes(methods)], ErrorBodies.Detail), pool, loggers);
    }

    /// <summary>Opens the store and listens.</summary>
    /// <exception cref="Inference.InferenceException">A newer program has written the store.</exception>
    /// <param name="logger">For the news that the port is taken when nobody has asked for it.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <exception cref="IOException">The port is taken, and was asked for.</exception>
    public async Task StartAsync(ILogger logger, CancellationToken cancellationToken)
    {
        await Plane.StartAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await Server!.StartAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (IOException error) when (!_options.IsAskedFor)
        {
            ServerLog.ServePortTaken(logger, $"{_options.EndPoint}", error.Message);
            await Server!.DisposeAsync().ConfigureAwait(false);
            Server = null;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Server is not null)
            await Server.DisposeAsync().ConfigureAwait(false);
        await Plane.DisposeAsync().ConfigureAwait(false);
        Cache.Dispose();
        Storage.Dispose();
    }

    /// <summary>All routes of the port. Earlier ones win.</summary>
    private IEnumerable<RestRoute> Routes(MethodTable methods) =>
    [
        .. new ControlTransfers(Api, Plane, Storage).Routes,
        .. TranscodedRoutes.Create(methods, [.. ControlApi.Descriptors, .. EndpointMetricsApi.Descriptors], "Sluice control API", ServerOptions.ProductVersion),
    ];

    private static string Destination(string artifacts, string folder)
    {
        var address = artifacts.Length > 0 ? artifacts : Path.Combine(folder, "artifacts");
        return address.Contains("://", StringComparison.Ordinal) ? address : Path.GetFullPath(address);
    }
}
