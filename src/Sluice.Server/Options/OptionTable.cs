using System.Globalization;
using System.IO.Compression;
using System.Net;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Rpc.Transport;
using Sluice.Scheduling.Overload;
using Sluice.Server.Logging;

namespace Sluice.Server;

/// <summary>One setting: its name on the command line, in the environment and in the file, and what it does.</summary>
/// <param name="Name">Without dashes, such as <c>http-port</c>; the environment has <c>SLUICE_HTTP_PORT</c>.</param>
/// <param name="Help">What it sets, with its default.</param>
/// <param name="Apply">Returns the options with a value set; throws <see cref="FormatException"/> with what is wrong.</param>
/// <param name="IsSwitch">May stand without a value, meaning true.</param>
/// <param name="IsInert">Accepted for the sake of existing command lines; it changes nothing.</param>
public sealed record OptionDefinition(
    string Name, string Help, Func<ServerOptions, string, ServerOptions> Apply, bool IsSwitch = false, bool IsInert = false)
{
    /// <summary>The environment variable.</summary>
    public string Variable => "SLUICE_" + Name.Replace('-', '_').ToUpperInvariant();

    /// <summary>Another variable of the same meaning, which counts where the first is not set; null = none (default).</summary>
    public string? OtherVariable { get; init; }
}

/// <summary>All settings of <c>sluice serve</c>, by the names that the original's operators know (spec §5.1).</summary>
public static class OptionTable
{
    /// <summary>The settings in the order of the help text.</summary>
    public static IReadOnlyList<OptionDefinition> All { get; } =
    [
        new("model-repository", "Folder of models; repeat for several.", (o, v) => o with { ModelRepositories = o.ModelRepositories.Add(v) }),
        new("model-control-mode", "none, poll or explicit. Default none.", (o, v) => o with { ModelControlMode = Choice<ModelControlMode>(v) }),
        new("load-model", "Explicit mode: model to load at the start, or *; repeat for several.", (o, v) => o with { LoadModels = o.LoadModels.Add(v) }),
        new("repository-poll-secs", "Poll mode: seconds between looks. Default 15.", (o, v) => o with { RepositoryPollPeriod = Seconds(v) }),
        new("exit-on-error", "End when a model fails to load at the start. Default false: the others serve.", (o, v) => o with { ExitOnError = Bool(v) }, true),
        new("strict-readiness", "Ready only when all models are. Default true.", (o, v) => o with { StrictReadiness = Bool(v) }, true),
        new("disable-auto-complete-config", "Take configurations as written. Default false.", (o, v) => o with { AutoCompleteConfig = !Bool(v) }, true),
        new("model-config-name", "Read configs/NAME.pbtxt where a model has it.", (o, v) => o with { ModelConfigName = v }),
        new("model-load-thread-count", "Loads at a time. Default 4.", (o, v) => o with { ModelLoadThreadCount = Int(v, 1) }),
        new("model-load-retry-count", "Further attempts after a failed load. Default 0.", (o, v) => o with { ModelLoadRetryCount = Int(v, 0) }),
        new("backend-config", "ENGINE,KEY=VALUE, such as onnxruntime,default-max-batch-size=8; repeat for several.", (o, v) => o with { BackendConfig = o.BackendConfig.Add(BackendSetting(v)) }),
        new("backend-directory", "Folder of engines that are Python code, NAME/model.py each; models name one as their backend. Default none.", (o, v) => o with { BackendFolder = v }),
        new("python", "Python interpreter of models that bring none. Default the first one that has numpy.", (o, v) => o with { Python = v }),
        new("allow-http", "Serve v2 HTTP. Default true.", (o, v) => o with { Http = Bool(v) ? o.Http ?? new IPEndPoint(IPAddress.Any, 8000) : null }, true),
        new("http-address", "Address of the HTTP port, or unix:PATH. Default 0.0.0.0.", (o, v) => o with { Http = At(o.Http, v) }),
        new("http-port", "HTTP port. Default 8000; 0 picks a free one.", (o, v) => o with { Http = At(o.Http, Port(v)) }),
        new("http-max-input-size", "Largest HTTP body in bytes. Default 67108864.", (o, v) => o with { HttpMaxInputBytes = Long(v, 1) }),
        new("allow-grpc", "Serve gRPC. Default true.", (o, v) => o with { Grpc = Bool(v) ? o.Grpc ?? new IPEndPoint(IPAddress.Any, 8001) : null }, true),
        new("grpc-address", "Address of the gRPC port, or unix:PATH. Default 0.0.0.0.", (o, v) => o with { Grpc = At(o.Grpc, v) }),
        new("grpc-port", "gRPC port. Default 8001; 0 picks a free one.", (o, v) => o with { Grpc = At(o.Grpc, Port(v)) }),
        new("grpc-transport", "auto, native (our HTTP/2 engine: event loops on Linux, managed sockets with TLS and elsewhere), sockets (the engine on managed sockets) or kestrel. Default auto: native.", (o, v) => o with { GrpcTransport = Choice<GrpcTransport>(v) }),
        new("grpc-loop-count", "Threads of the native transport. Default one for each core.", (o, v) => o with { GrpcLoopCount = Int(v, 1) }),
        new("grpc-infer-response-compression-level", "none, low, medium or high. Default none.", (o, v) => o with { GrpcResponseCompression = Compression(v) }),
        new("allow-metrics", "Serve metrics. Default true.", (o, v) => o with { Metrics = Bool(v) ? o.Metrics ?? new IPEndPoint(IPAddress.Any, 8002) : null }, true),
        new("metrics-address", "Address of the metrics port. Default 0.0.0.0.", (o, v) => o with { Metrics = At(o.Metrics, v) }),
        new("metrics-port", "Metrics port. Default 8002; 0 picks a free one.", (o, v) => o with { Metrics = At(o.Metrics, Port(v)) }),
        new("exit-timeout-secs", "Seconds for running requests when stopping. Default 30.", (o, v) => o with { ExitTimeout = Seconds(v) }),
        new("drain-delay-secs", "Seconds that calls are still taken after readiness has gone, when stopping. Default 0.", (o, v) => o with { DrainDelay = Seconds(v) }),
        new("execution-watchdog-secs", "Tell of an execution that runs longer, and be not ready meanwhile. Default 0: never.", (o, v) => o with { ExecutionWatchdog = Seconds(v) }),
        new("id", "The server's name in its metadata. Default triton.", (o, v) => o with { Id = v }),
        new("http-restricted-api", "GROUP[,GROUP]:KEY=VALUE: HTTP routes of these groups need header KEY with VALUE; repeat for several.", (o, v) => o with { HttpRestricted = RestrictedGroup.Add(o.HttpRestricted, v) }),
        new("grpc-restricted-protocol", "GROUP[,GROUP]:KEY=VALUE: gRPC methods of these groups need header triton-grpc-protocol-KEY with VALUE; repeat for several.", (o, v) => o with { GrpcRestricted = RestrictedGroup.Add(o.GrpcRestricted, v) }),
        new("http-header-forward-pattern", "Regular expression: HTTP headers whose names match become request parameters. Default none.", (o, v) => o with { HttpForwardedHeaders = Pattern(v) }),
        new("grpc-header-forward-pattern", "Regular expression: gRPC headers whose names match become request parameters. Default none.", (o, v) => o with { GrpcForwardedHeaders = Pattern(v) }),
        new("allow-client-shm", "Let clients register shared memory and name it in requests; only for clients trusted as much as the server. Default false.", (o, v) => o with { AllowClientShm = Bool(v) }, true),
        new("tensor-memory-byte-size", "Most native memory for messages and tensors. Default 8589934592.", (o, v) => o with { TensorMemoryBytes = Long(v, 1 << 20) }),
        new("overload-control", "off, auto or on: refuse requests that would wait too long; auto only once a queue stands. Default off. A model's parameter overload_control counts more.", (o, v) => o with { Overload = o.Overload with { Control = Choice<OverloadControl>(v) } }),
        new("overload-target-ms", "Time in a queue that is still good. Default 20. A model's parameter overload_target_ms counts more.", (o, v) => o with { Overload = o.Overload with { Target = TimeSpan.FromMilliseconds(Int(v, 1)) } }),
        new("max-sequences", "Most sequences under way per model. Default 65536.", (o, v) => o with { MaxSequences = Int(v, 1) }),
        new("restart-on-crash", "Run in a process of its own, started again when native code crashes it; a model at work in two crashes is not loaded again. Default false.", (o, v) => o with { RestartsOnCrash = Bool(v) }, IsSwitch: true),
        new("reload-samples", "Requests of which each model keeps the inputs (1 MiB at most, one a second), to warm its successor with at a reload; 0 = none. Default 8.", (o, v) => o with { RecentRequestCount = Int(v, 0) }),
        new("slo-ms", "Latency within which models with dynamic batching choose batch size and delay themselves. Default 0: as configured. A model's parameter slo_ms counts more.", (o, v) => o with { LatencyObjective = TimeSpan.FromMilliseconds(Int(v, 0)) }),
        new("max-queued-requests", "Most requests waiting per model. Default 65536.", (o, v) => o with { MaxQueuedRequests = Int(v, 1) }),
        new("log-verbose", "1 logs every call and details, 2 or more all. Default 0.", (o, v) => o with { Log = o.Log with { VerboseLevel = (uint)Int(v, 0) } }),
        new("log-info", "Log information. Default true.", (o, v) => o with { Log = o.Log with { LogsInfo = Bool(v) } }, true),
        new("log-warning", "Log warnings. Default true.", (o, v) => o with { Log = o.Log with { LogsWarning = Bool(v) } }, true),
        new("log-error", "Log errors. Default true.", (o, v) => o with { Log = o.Log with { LogsError = Bool(v) } }, true),
        new("log-format", "default, ISO8601 or json. Default default.", (o, v) => o with { Log = o.Log with { Format = Choice<LogFormat>(v) } }),
        new("log-file", "File for log lines. Default standard error.", (o, v) => o with { Log = o.Log with { File = v } }),
        new("warm-up", "Compile the request path for speed before being ready, at most 2 s. Default true.", (o, v) => o with { WarmUp = Bool(v) }, true),
        new("access-log", "A log line for every call. Default false.", (o, v) => o with { AccessLog = Bool(v) }, true),
        new("strict-model-config", "The older name of --disable-auto-complete-config. Default false.", (o, v) => o with { AutoCompleteConfig = !Bool(v) }, true),
        .. ControlOptionTable.All,
        .. PortOptionTable.All,
        .. AuthOptionTable.All,
        .. MetricsOptionTable.All,
        .. StatisticsOptionTable.All,
        .. TraceOptionTable.All,
        .. SchedulingOptionTable.All,
        .. InertOptions.All,
    ];

    internal static bool Bool(string value) => value.ToLowerInvariant() switch
    {
        "true" or "1" or "yes" or "on" => true,
        "false" or "0" or "no" or "off" => false,
        _ => throw new FormatException("must be true or false"),
    };

    private static HeaderForwarding? Pattern(string value)
    {
        try
        {
            return value.Length == 0 ? null : new HeaderForwarding(value);
        }
        catch (ArgumentException error)
        {
            throw new FormatException($"must be a regular expression: {error.Message}", error);
        }
    }

    internal static int Int(string value, int least) =>
        int.TryParse(value, CultureInfo.InvariantCulture, out var number) && number >= least
            ? number
            : throw new FormatException($"must be a whole number of at least {least}");

    internal static long Long(string value, long least) =>
        long.TryParse(value, CultureInfo.InvariantCulture, out var number) && number >= least
            ? number
            : throw new FormatException($"must be a whole number of at least {least}");

    internal static int Port(string value) =>
        Int(value, 0) is var port && port <= ushort.MaxValue ? port : throw new FormatException("must be at most 65535");

    internal static TimeSpan Seconds(string value) =>
        double.TryParse(value, CultureInfo.InvariantCulture, out var seconds) && seconds is >= 0 and <= 1e6
            ? TimeSpan.FromSeconds(seconds)
            : throw new FormatException("must be a number of seconds");

    private static T Choice<T>(string value)
        where T : struct, Enum =>
        Enum.TryParse<T>(value, ignoreCase: true, out var choice) && Enum.IsDefined(choice) && !char.IsAsciiDigit(value[0])
            ? choice
            : throw new FormatException($"must be one of: {string.Join(", ", Enum.GetNames<T>()).ToLowerInvariant()}");

    private static EndPoint? At(EndPoint? endPoint, string address)
    {
        var parsed = ListenSockets.Parse(address, (endPoint as IPEndPoint)?.Port ?? 0)
            ?? throw new FormatException("must be an IP address or unix:PATH");
        return endPoint is null ? null : parsed;
    }

    private static EndPoint? At(EndPoint? endPoint, int port) =>
        endPoint is IPEndPoint { Address: var address } ? new IPEndPoint(address, port) : endPoint;

    private static CompressionLevel? Compression(string value) => value.ToLowerInvariant() switch
    {
        "none" => null,
        "low" => CompressionLevel.Fastest,
        "medium" => CompressionLevel.Optimal,
        "high" => CompressionLevel.SmallestSize,
        _ => throw new FormatException("must be none, low, medium or high"),
    };

    private static (string Backend, string Key, string Value) BackendSetting(string value)
    {
        var comma = value.IndexOf(',', StringComparison.Ordinal);
        var equals = value.IndexOf('=', StringComparison.Ordinal);
        if (comma < 0 || equals < comma)
            throw new FormatException("must look like ENGINE,KEY=VALUE");
        return (value[..comma], value[(comma + 1)..equals], value[(equals + 1)..]);
    }
}
