using System.Collections.Immutable;
using System.IO.Compression;
using System.Net;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Scheduling.Cache;
using Sluice.Scheduling.Overload;
using Sluice.Scheduling.RateLimit;
using Sluice.Server.Access;
using Sluice.Server.Logging;
using Sluice.Server.Tracing;
using Sluice.Statistics;

namespace Sluice.Server;

/// <summary>Everything that an operator can set; read once at the start. <see cref="OptionTable"/> names and explains it.</summary>
public sealed record ServerOptions
{
    /// <summary>The program's version, as server metadata reports it.</summary>
    public static string ProductVersion { get; } =
        typeof(ServerOptions).Assembly.GetName().Version?.ToString(3) ?? "0.0.0";

    /// <summary>The server's name in its metadata.</summary>
    public string Id { get; init; } = "triton";

    /// <summary>Folders of models; at least one.</summary>
    public ImmutableArray<string> ModelRepositories { get; init; } = [];

    /// <summary>Who decides what is loaded.</summary>
    public ModelControlMode ModelControlMode { get; init; } = ModelControlMode.None;

    /// <summary>Explicit mode: models to load at the start.</summary>
    public ImmutableArray<string> LoadModels { get; init; } = [];

    /// <summary>Poll mode: time between looks.</summary>
    public TimeSpan RepositoryPollPeriod { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>End with exit code 1 when a model fails to load at the start.</summary>
    public bool ExitOnError { get; init; }

    /// <summary>Ready only when every model is.</summary>
    public bool StrictReadiness { get; init; } = true;

    /// <summary>Fill what configurations leave out from model files.</summary>
    public bool AutoCompleteConfig { get; init; } = true;

    /// <summary>Reads <c>configs/NAME.pbtxt</c> where a model has it.</summary>
    public string ModelConfigName { get; init; } = "";

    /// <summary>Loads at a time.</summary>
    public int ModelLoadThreadCount { get; init; } = 4;

    /// <summary>Further attempts after a failed load.</summary>
    public int ModelLoadRetryCount { get; init; }

    /// <summary>How long running requests may take to end when the server stops.</summary>
    public TimeSpan ExitTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long the server goes on taking calls after it has said that it is not ready, when it stops.</summary>
    public TimeSpan DrainDelay { get; init; }

    /// <summary>An execution that runs longer is told, and its model is not ready meanwhile; zero = never.</summary>
    public TimeSpan ExecutionWatchdog { get; init; }

    /// <summary>Settings of engines: engine, key, value.</summary>
    public ImmutableArray<(string Backend, string Key, string Value)> BackendConfig { get; init; } = [];

    /// <summary>Folder of engines that are Python code, <c>NAME/model.py</c> each; null = none.</summary>
    public string? BackendFolder { get; init; }

    /// <summary>Python interpreter of models that bring none; null = the first one that has numpy.</summary>
    public string? Python { get; init; }

    /// <summary>The v2 HTTP port; null = off.</summary>
    public EndPoint? Http { get; init; } = new IPEndPoint(IPAddress.Any, 8000);

    /// <summary>Largest HTTP body, bytes.</summary>
    public long HttpMaxInputBytes { get; init; } = 64 * 1024 * 1024;

    /// <summary>The gRPC port; null = off.</summary>
    public EndPoint? Grpc { get; init; } = new IPEndPoint(IPAddress.Any, 8001);

    /// <summary>Encryption and life of the HTTP port's connections.</summary>
    public PortOptions HttpPort { get; init; } = new();

    /// <summary>Encryption and life of the gRPC port's connections.</summary>
    public PortOptions GrpcPort { get; init; } = new();

    /// <summary>Who may call; everybody unless keys are given.</summary>
    public AuthOptions Auth { get; init; } = new();

    /// <summary>What moves gRPC's bytes.</summary>
    public GrpcTransport GrpcTransport { get; init; } = GrpcTransport.Auto;

    /// <summary>Threads of the native transport.</summary>
    public int GrpcLoopCount { get; init; } = Environment.ProcessorCount;

    /// <summary>Compression of inference responses; null = none.</summary>
    public CompressionLevel? GrpcResponseCompression { get; init; }

    /// <summary>The metrics port; null = off.</summary>
    public EndPoint? Metrics { get; init; } = new IPEndPoint(IPAddress.Any, 8002);

    /// <summary>What the metrics page shows.</summary>
    public MetricsOptions MetricsContent { get; init; } = new();

    /// <summary>What is sampled of endpoints' calls.</summary>
    public StatisticsOptions Statistics { get; init; } = new();

    /// <summary>The control plane; null = off.</summary>
    public ControlPlaneOptions? ControlPlane { get; init; }

    /// <summary>gRPC methods that need a header.</summary>
    public ImmutableArray<RestrictedGroup> GrpcRestricted { get; init; } = [];

    /// <summary>HTTP routes that need a header.</summary>
    public ImmutableArray<RestrictedGroup> HttpRestricted { get; init; } = [];

    /// <summary>gRPC headers that models see as parameters; null = none.</summary>
    public HeaderForwarding? GrpcForwardedHeaders { get; init; }

    /// <summary>HTTP headers that models see as parameters; null = none.</summary>
    public HeaderForwarding? HttpForwardedHeaders { get; init; }

    /// <summary>Let clients register shared memory and name it in requests.</summary>
    public bool AllowClientShm { get; init; }

    /// <summary>Most native memory for messages and tensors, bytes.</summary>
    public long TensorMemoryBytes { get; init; } = 8L * 1024 * 1024 * 1024;

    /// <summary>Most requests waiting per model.</summary>
    public int MaxQueuedRequests { get; init; } = 65_536;

    /// <summary>Run in a process of its own, which is started again when it crashes.</summary>
    public bool RestartsOnCrash { get; init; }

    /// <summary>Latency within which batching models choose size and delay themselves; zero = as configured.</summary>
    public TimeSpan LatencyObjective { get; init; }

    /// <summary>Requests of which each model keeps the inputs, to warm its successor with; 0 = none.</summary>
    public int RecentRequestCount { get; init; } = 8;

    /// <summary>When models refuse work to keep their queues short.</summary>
    public OverloadSettings Overload { get; init; } = new();

    /// <summary>Most sequences that one model may have under way. Default 65,536.</summary>
    public int MaxSequences { get; init; } = 65_536;

    /// <summary>Bounds of the response cache; without a size there is none.</summary>
    public CacheOptions Cache { get; init; } = new();

    /// <summary>Whether executions share resources, and how many there are.</summary>
    public RateLimitOptions RateLimit { get; init; } = new();

    /// <summary>What is logged, how lines look and where they go; the levels and the format can change later.</summary>
    public LogSnapshot Log { get; init; } = new();

    /// <summary>How requests are traced until clients change it.</summary>
    public TraceOptions Trace { get; init; } = new();

    /// <summary>Given settings that have no effect, each with its reason; told once at the start.</summary>
    public ImmutableArray<(string Name, string Reason)> WithoutEffect { get; init; } = [];

    /// <summary>Compile the request path for speed before the server is ready.</summary>
    public bool WarmUp { get; init; } = true;

    /// <summary>Write a line for every call.</summary>
    public bool AccessLog { get; init; }
}
