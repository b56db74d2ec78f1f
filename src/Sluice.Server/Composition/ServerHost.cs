using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Sluice.Backends.Forest;
using Sluice.Backends.OnnxRuntime;
using Sluice.Backends.Remote;
using Sluice.Backends.Samples;
using Sluice.Control;
using Sluice.Control.Api;
using Sluice.History;
using Sluice.History.Api;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Protocol.Health;
using Sluice.Protocol.Inference;
using Sluice.Protocol.Reflection.V1;
using Sluice.Rest.Kestrel;
using Sluice.Rpc;
using Sluice.Rpc.Calls;
using Sluice.Rpc.Dispatch;
using Sluice.Rpc.Health;
using Sluice.Rpc.Reflection;
using Sluice.Rpc.Transport;
using Sluice.Scheduling.Loading;
using Sluice.Scheduling.Timing;
using Sluice.Server.Access;
using Sluice.Server.Logging;
using Sluice.Server.Services;
using Sluice.Server.Tracing;
using Sluice.Server.WarmUp;
using Sluice.Statistics;
using Sluice.Tensors;
using Sluice.Tensors.SharedMemory;

namespace Sluice.Server.Composition;

/// <summary>The composition root: builds all parts, starts and stops them in order. The only place that knows all of them.</summary>
public sealed class ServerHost : IAsyncDisposable
{
    private readonly ServerOptions _options;
    private readonly ILogger _logger;
    private readonly LogState _log;
    private readonly TimeProvider _time;
    private readonly ILoggerFactory _loggers;
    private readonly TensorBufferPool _pool;
    private readonly SharedMemoryParts _sharedMemory;
    private readonly PrecisionTimer _timer = new();
    private readonly OnnxRuntimeBackend _onnx;
    private readonly PythonParts _python;
    private readonly ModelLoader _loader;
    private readonly ModelLifecycle _lifecycle;
    private readonly ServerState _state;
    private readonly TraceState _traces;
    private readonly TraceWriter _traceWriter;
    private readonly Authenticator? _authenticator;
    private readonly RpcDispatcher _dispatcher;
    private readonly IRpcServer? _rpc;
    private readonly RestServer? _rest;
    private readonly StatisticsParts _statistics;
    private readonly FrontEndStages _grpcStages = new();
    private readonly FrontEndStages _httpStages = new();
    private readonly ControlParts? _control;
    private readonly EndpointParts? _endpoints;
    private readonly HistoryParts? _history;
    private readonly RemoteBackend _remote = EndpointParts.CreateRemote();

    /// <summary>Builds the parts; nothing listens and no model loads yet.</summary>
    /// <param name="options">Everything that can be set.</param>
    /// <param name="loggers">Where log records go.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">The log settings that clients may read and change; those of the options unless given.</param>
    /// <param name="watch">Put around engines whose native code runs in this process; null = nothing is.</param>
    public ServerHost(
        ServerOptions options, ILoggerFactory loggers, TimeProvider time, LogState? log = null, Func<IBackend, IBackend>? watch = null)
    {
        _options = options;
        _time = time;
        _loggers = loggers;
        _log = log ?? new LogState(options.Log);
        _logger = loggers.CreateLogger<ServerHost>();
        _pool = new TensorBufferPool(new TensorBufferPoolOptions { MaxBytes = options.TensorMemoryBytes }, time);
        _sharedMemory = new SharedMemoryParts(options, _pool);
        _onnx = new OnnxRuntimeBackend(loggers);
        _python = new PythonParts(options, _pool, loggers, time);
        IBackend[] engines = [watch?.Invoke(_onnx) ?? _onnx, _remote, .. _python.Backends, .. ForestBackend.Create(loggers, _python.Forests.Export), .. SampleBackends.Create(time)];
        _loader = new ModelLoader(
            engines, _pool,
            ModelParts.CreateScheduler(options), _timer,
            loggers.CreateLogger<ModelLoader>());
        _lifecycle = ModelParts.CreateLifecycle(options, _loader, loggers, time);
        _state = new ServerState(_lifecycle, options, time);
        _traceWriter = new TraceWriter(options.Trace, loggers.CreateLogger<TraceWriter>());
        _traces = new TraceState(options.Trace, _traceWriter.Close);
        _log.Follow(log => _traces.Switch.LogsCalls = log.VerboseLevel > 0);
        _control = ControlParts.Create(options, loggers, time);
        _authenticator = options.Auth.IsOn
            ? new Authenticator(options.Auth, new LoginTokens(() => _control?.Plane.Secret, time), time, loggers.CreateLogger<Authenticator>())
            : null;
        _statistics = new StatisticsParts(options, loggers, time);
        var core = new InferenceEngine(
            _lifecycle.Table, _sharedMemory.Placement,
            forwardsHeaders: options.GrpcForwardedHeaders is not null || options.HttpForwardedHeaders is not null, _statistics.Observer);
        Engine = new TracingEngine(core, _traces, _traceWriter);
        if (_control is not null)
        {
            _endpoints = new EndpointParts(_lifecycle, Engine, _statistics.Endpoints, _statistics.Sampler!);
            Engine = _endpoints.Engine;
            _history = new HistoryParts(options, _control, _endpoints, _lifecycle, _python.Runtime.Output.Read, loggers, time);
        }

        _python.Connect(Engine, _lifecycle);
        if (_authenticator is not null)
            Engine = new AccessEngine(Engine);
        var methods = ListMethods();
        Methods = new MethodTable(methods);
        var served = DelayedMethod.Apply(methods, Environment.GetEnvironmentVariable(DelayedMethod.Variable));
        var rpc = new RpcOptions
        {
            ResponseCompression = options.GrpcResponseCompression,
            AccessLog = options.AccessLog,
            Tracing = _traces.Switch,
            Authenticator = _authenticator,
            ForwardedHeaders = options.GrpcForwardedHeaders,
            RequiredHeaders = AccessParts.OfMethods(options, Methods),
        };
        _dispatcher = new RpcDispatcher(new MethodTable(served), rpc, _pool, loggers.CreateLogger<RpcDispatcher>());
        _rpc = RpcParts.Create(options, _dispatcher, loggers, time);
        _rest = HttpParts.CreateRest(options, Methods, Engine, _httpStages, rpc, _pool, loggers);
        _control?.CreateServer(
            Methods,
            [
                .. _endpoints!.Routes(options.ControlPlane!.RaisedStatus, () => _state.IsReady), .. _history!.Routes,
                .. LoginParts.CreateRoutes(_authenticator, time), .. PageParts.CreateRoutes(options, Methods, Engine, _httpStages),
            ],
            rpc, options, _pool, loggers);
        var sources = new MetricsSources
        {
            Models = () => HttpParts.Servables(_lifecycle.Table),
            Pool = _pool,
            Ports = ReadPorts,
            DroppedTraces = () => _traceWriter.DroppedCount,
            History = () => _history?.Sizes ?? default,
        };
        _statistics.CreateServers(sources, _python.FormatMetrics, rpc, loggers);
    }

    /// <summary>The core, for front ends within the process.</summary>
    public IInferenceEngine Engine { get; }

    /// <summary>All methods that are served.</summary>
    public MethodTable Methods { get; }

    /// <summary>The gRPC port's address; null when off.</summary>
    public Uri? GrpcAddress => _rpc?.Addresses[0];

    /// <summary>The v2 HTTP port's address; null when off.</summary>
    public Uri? HttpAddress => _rest?.Addresses[0];

    /// <summary>The metrics port's address; null when off.</summary>
    public Uri? MetricsAddress => _statistics.Main?.Addresses[0];

    /// <summary>The address of the metrics page on the port of the original's exporter; null when off.</summary>
    public Uri? ExporterAddress => _statistics.Exporter?.Addresses[0];

    /// <summary>The address of <c>/serve</c> and of the control API; null when off.</summary>
    public Uri? ServeAddress => _control?.Server?.Addresses[0];

    /// <summary>The desired state; null when the control plane is off.</summary>
    public IControlPlane? Control => _control?.Plane;

    /// <summary>What serves and what it did; null when the control plane is off.</summary>
    public HistoryService? History => _history?.Service;

    /// <summary>Native memory out with requests, bytes; 0 when nothing is under way.</summary>
    public TensorBufferPool Pool => _pool;

    /// <summary>Regions that clients have registered; null when they may not.</summary>
    public SharedMemoryRegistry? SharedMemory => _sharedMemory.Regions;

    /// <summary>Calls being served now.</summary>
    public long ActiveCount => _dispatcher.ActiveCount + (_rest?.ActiveCount ?? 0) + (_control?.Server?.ActiveCount ?? 0);

    /// <summary>Listens, then loads the models; ready at the end.</summary>
    /// <returns>False when a model failed and the options say to exit then.</returns>
    public async Task<bool> StartAsync(CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        foreach (var (name, reason) in _options.WithoutEffect.Distinct())
            ServerLog.WithoutEffect(_logger, name, reason);
        _lifecycle.AnnounceStart();
        if (_rpc is not null)
            await _rpc.StartAsync(cancellationToken).ConfigureAwait(false);
        if (_rest is not null)
            await _rest.StartAsync(cancellationToken).ConfigureAwait(false);
        if (_control is not null)
        {
            await _control.StartAsync(_logger, cancellationToken).ConfigureAwait(false);
            _endpoints!.Start(_control, [_python.Endpoints], _pool, _loggers, _time, _options.Statistics);
        }

        await _statistics.StartAsync(cancellationToken).ConfigureAwait(false);
        var warming = _options.WarmUp
            ? new SelfWarmUp(
                Methods, _pool, _timer, dispatcher => RpcParts.CreateLoopback(_options, dispatcher, _time)).RunAsync()
            : Task.CompletedTask;
        var failures = await _lifecycle.StartAsync(cancellationToken).ConfigureAwait(false);
        if (_state.IsStopping)
            return true;
        Tell(ModelParts.TabulateBackends(_options, [_onnx, .. _python.Backends]));
        Tell(ModelParts.TabulateModels(_lifecycle.Index(readyOnly: false)));
        Tell(ModelParts.TabulateOptions(_options));
        if (failures.Count > 0 && _options.ExitOnError)
        {
            ServerLog.StartFailed(_logger, failures.Count);
            return false;
        }

        await warming.ConfigureAwait(false);

        // Models and endpoints of the start are known by now.
        _history?.Service.Start();

        // A store that cannot be had is not waited for where nobody has asked for endpoints.
        if (_endpoints is not null && (_options.ControlPlane!.IsAskedFor || _control!.Plane.Snapshot.IsStoreReachable))
            await _endpoints.WaitUntilSettledAsync(_time, cancellationToken).ConfigureAwait(false);
        _state.MarkWarm();
        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        ServerLog.Ready(_logger, seconds);
        return true;
    }

    /// <summary>Not ready, no new calls, running ones end, models unload; also while models are still loading.</summary>
    /// <returns>False when calls were still running at the time limit.</returns>
    public async Task<bool> StopAsync()
    {
        _state.MarkStopping();
        var seconds = _options.ExitTimeout.TotalSeconds;
        ServerLog.Stopping(_logger, ActiveCount, seconds);
        if (_options.DrainDelay > TimeSpan.Zero)
            await Task.Delay(_options.DrainDelay, _time).ConfigureAwait(false);
        using var limit = new CancellationTokenSource(_options.ExitTimeout, _time);
        using var ended = new CancellationTokenSource();
        var telling = TellCountdownAsync(ended.Token);
        var isDrained = await DrainAsync(limit.Token).ConfigureAwait(false);
        await ended.CancelAsync().ConfigureAwait(false);
        await telling.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!isDrained)
        {
            ServerLog.ExitTimedOut(_logger, ActiveCount);
            return false;
        }

        // Metrics go last, so that the end of the work can still be seen.
        await _statistics.StopAsync(limit.Token).ConfigureAwait(false);
        ServerLog.Stopped(_logger);
        return true;
    }

    private async Task<bool> DrainAsync(CancellationToken limit)
    {
        // A call that loads a model would be waited for, and may take minutes.
        _python.Runtime.EndStarts();

        // Both ports drain at once: neither may eat the other's time.
        await Task.WhenAll(
            _rpc?.StopAsync(limit) ?? Task.CompletedTask,
            _rest?.StopAsync(limit) ?? Task.CompletedTask,
            _control?.Server?.StopAsync(limit) ?? Task.CompletedTask).ConfigureAwait(false);
        var isInTime = !limit.IsCancellationRequested;

        // Now, while what served is still there to be read, and other replicas learn at once that this one does not serve.
        if (_history is not null)
            await _history.Service.StopAsync(limit).ConfigureAwait(false);
        try
        {
            if (_endpoints is not null)
                await _endpoints.DisposeAsync().AsTask().WaitAsync(limit).ConfigureAwait(false);
            await _lifecycle.DisposeAsync().AsTask().WaitAsync(limit).ConfigureAwait(false);
            return isInTime;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>Says each second what is waited for, as the original does.</summary>
    private async Task TellCountdownAsync(CancellationToken ended)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1), _time);
        var left = _options.ExitTimeout.TotalSeconds;
        while (await timer.WaitForNextTickAsync(ended).ConfigureAwait(false))
        {
            left = Math.Max(0, left - 1);
            ServerLog.Countdown(_logger, left, ActiveCount);
        }
    }

    private void Tell(IEnumerable<string> rows)
    {
        foreach (var row in rows)
            ServerLog.Row(_logger, row);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // A start that failed leaves models, and perhaps loads, that the engines must outlive.
        if (!_state.IsStopping)
        {
            _state.MarkStopping();
            using var limit = new CancellationTokenSource(_options.ExitTimeout, _time);
            await DrainAsync(limit.Token).ConfigureAwait(false);
        }

        if (_rpc is not null)
            await _rpc.DisposeAsync().ConfigureAwait(false);
        if (_rest is not null)
            await _rest.DisposeAsync().ConfigureAwait(false);
        await _statistics.DisposeAsync().ConfigureAwait(false);
        if (_history is not null)
            await _history.DisposeAsync().ConfigureAwait(false);
        if (_control is not null)
            await _control.DisposeAsync().ConfigureAwait(false);
        _authenticator?.Dispose();
        await _traceWriter.DisposeAsync().ConfigureAwait(false);
        _loader.Dispose();
        _timer.Dispose();
        _onnx.Dispose();
        _remote.Dispose();
        await _python.DisposeAsync().ConfigureAwait(false);
        _sharedMemory.Dispose();
        _pool.Dispose();
    }

    private List<FrontEndFigures> ReadPorts()
    {
        var ports = new List<FrontEndFigures>();
        if (_rpc is not null)
            ports.Add(HttpParts.Figures(_rpc, _dispatcher) with { Stages = _grpcStages });
        if (_rest is not null)
            ports.Add(HttpParts.Figures("http", _rest) with { Stages = _httpStages });
        if (_control?.Server is { } serve)
            ports.Add(HttpParts.Figures("serve", serve));
        if (_statistics.Main is { } metrics)
            ports.Add(HttpParts.Figures("metrics", metrics));
        return ports;
    }

    private List<RpcMethod> ListMethods()
    {
        IEnumerable<RpcMethod> methods =
        [
            .. new InferenceService(Engine, _grpcStages).Methods,
            .. new MetadataService(_lifecycle.Table, _state, _options).Methods,
            .. new RepositoryService(_lifecycle).Methods,
            .. new LogService(_log).Methods,
            .. new TraceService(_traces, _lifecycle.Table).Methods,
            .. _sharedMemory.Service.Methods,
            .. _control?.Api.Methods ?? [],
            .. _history?.Api.Methods ?? [],
            .. new HealthService(_state).Methods,
            .. new ReflectionService(
            [
                GrpcServiceReflection.Descriptor, HealthReflection.Descriptor, ReflectionReflection.Descriptor,
                .. _control is null ? [] : ControlApi.Descriptors.Concat(EndpointMetricsApi.Descriptors),
            ]).Methods,
        ];
        var served = methods.ToList();
        var names = served.Select(method => method.Path).ToHashSet(StringComparer.Ordinal);
        served.AddRange(GrpcServiceReflection.Descriptor.Services[0].Methods
            .Select(method => new UnimplementedMethod(InferenceService.Name, method.Name))
            .Where(method => !names.Contains(method.Path)));
        return served;
    }
}
