using Sluice.Functional.Tests.Infrastructure;
using Sluice.Scheduling.RateLimit;
using Sluice.Server;
using Sluice.Server.Tracing;

namespace Sluice.Functional.Tests.Operations;

/// <summary>The command line (spec §5.1).</summary>
public sealed class FlagTests
{
    /// <summary>A value that each flag of the original accepts.</summary>
    private static readonly (string Name, string Value)[] Flags =
    [
        ("model-control-mode", "explicit"), ("load-model", "a"), ("repository-poll-secs", "15"), ("exit-on-error", "true"),
        ("disable-auto-complete-config", "true"), ("strict-readiness", "true"), ("model-config-name", "c"), ("model-load-thread-count", "4"),
        ("model-load-retry-count", "0"), ("model-namespacing", "false"), ("strict-model-config", "false"), ("exit-timeout-secs", "30"),
        ("id", "triton"), ("allow-http", "true"), ("http-address", "0.0.0.0"), ("http-port", "8000"), ("reuse-http-port", "false"),
        ("http-thread-count", "8"), ("http-max-input-size", "67108864"), ("allow-grpc", "true"), ("grpc-address", "0.0.0.0"),
        ("grpc-port", "8001"), ("reuse-grpc-port", "false"), ("grpc-infer-thread-count", "2"), ("grpc-infer-allocation-pool-size", "8"),
        ("grpc-max-response-pool-size", "8"), ("grpc-infer-response-compression-level", "none"), ("grpc-use-ssl", "false"),
        ("grpc-use-ssl-mutual", "false"), ("grpc-server-cert", "c"), ("grpc-server-key", "k"), ("grpc-root-cert", "r"),
        ("grpc-keepalive-time", "7200000"), ("grpc-keepalive-timeout", "20000"), ("grpc-keepalive-permit-without-calls", "0"),
        ("grpc-http2-max-pings-without-data", "2"), ("grpc-http2-min-recv-ping-interval-without-data", "300000"),
        ("grpc-http2-max-ping-strikes", "2"), ("grpc-max-connection-age", "1000"), ("grpc-max-connection-age-grace", "1000"),
        ("allow-metrics", "true"), ("allow-gpu-metrics", "true"), ("allow-cpu-metrics", "true"), ("metrics-address", "0.0.0.0"),
        ("metrics-port", "8002"), ("metrics-interval-ms", "2000"), ("metrics-config", "summary_latencies=true"),
        ("trace-config", "rate=9"), ("trace-file", "f"), ("trace-level", "TIMESTAMPS"), ("trace-rate", "1"), ("trace-count", "-1"),
        ("trace-log-frequency", "0"), ("log-verbose", "1"), ("log-info", "true"), ("log-warning", "true"), ("log-error", "true"),
        ("log-format", "ISO8601"), ("log-file", ""), ("cache-config", "local,size=1"), ("cache-directory", "d"),
        ("response-cache-byte-size", "0"), ("rate-limit", "off"), ("rate-limit-resource", "r:1"), ("pinned-memory-pool-byte-size", "1"),
        ("cuda-memory-pool-byte-size", "0:1"), ("cuda-virtual-address-size", "0:1"), ("min-supported-compute-capability", "6.0"),
        ("model-load-gpu-limit", "0:0.5"), ("buffer-manager-thread-count", "0"), ("host-policy", "p,k=v"), ("enable-peer-access", "true"),
        ("backend-directory", "d"), ("backend-config", "onnxruntime,a=b"), ("repoagent-directory", "d"), ("allow-sagemaker", "false"),
        ("sagemaker-port", "8080"), ("sagemaker-safe-port-range", "1-2"), ("sagemaker-thread-count", "8"), ("allow-vertex-ai", "false"),
        ("vertex-ai-port", "8080"), ("vertex-ai-thread-count", "8"), ("vertex-ai-default-model", "m"),
    ];

    public static TheoryData<string, string> AllFlags
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var (name, value) in Flags)
                data.Add(name, value);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(AllFlags))]
    public void Flag_OfTheOriginal_IsAccepted(string name, string value)
    {
        var definition = Assert.Single(OptionTable.All, option => option.Name == name);

        var options = definition.Apply(new ServerOptions(), value);

        if (definition.IsInert)
            Assert.Equal(name, Assert.Single(options.WithoutEffect).Name);
        else
            Assert.Empty(options.WithoutEffect);
    }

    [Fact]
    public void Flags_Names_AreUnique() => Assert.Equal(
        OptionTable.All.Count, OptionTable.All.Select(option => option.Name).Distinct(StringComparer.Ordinal).Count());

    [Fact]
    public void LogFlags_Levels_AreIndependent()
    {
        var log = Read(("log-verbose", "1"), ("log-info", "false"), ("log-error", "0")).Log;

        Assert.Equal((1u, false, true, false), (log.VerboseLevel, log.LogsInfo, log.LogsWarning, log.LogsError));
    }

    [Fact]
    public void CacheAndRateLimit_EveryForm_IsRead()
    {
        var options = Read(
            ("cache-config", "local,size=1048576"), ("cache-config", "local,ttl-seconds=0.5"), ("rate-limit", "execution_count"),
            ("rate-limit-resource", "R1:4"), ("rate-limit-resource", "R1:2:1"));
        Assert.Equal((1048576L, TimeSpan.FromSeconds(0.5)), (options.Cache.SizeBytes, options.Cache.Lifetime));
        Assert.True(options.RateLimit.IsOn);
        Assert.Equal([new RateLimitResource("R1", 4, null), new RateLimitResource("R1", 2, 1)], options.RateLimit.Resources.ToArray());
        Assert.Equal(4096, Read(("response-cache-byte-size", "4096")).Cache.SizeBytes);
    }

    [Theory]
    [InlineData("cache-config", "redis,host=h", "must name the cache 'local', the only one that this server has, and not 'redis'")]
    [InlineData("cache-config", "local", "must look like local,size=BYTES or local,ttl-seconds=N")]
    [InlineData("cache-config", "local,size=0", "must be a whole number of at least 1")]
    [InlineData("cache-config", "local,ttl-seconds=-1", "must look like local,size=BYTES or local,ttl-seconds=N")]
    [InlineData("rate-limit", "on", "must be execution_count or off")]
    [InlineData("rate-limit-resource", "R", "must look like NAME:COUNT or NAME:COUNT:DEVICE")]
    [InlineData("rate-limit-resource", "R:x", "must be a whole number of at least 0")]
    public void CacheAndRateLimit_Wrong_AreRefused(string name, string value, string expected) => Assert.Equal(
        expected, Assert.Throws<FormatException>(() => OptionTable.All.Single(option => option.Name == name).Apply(new ServerOptions(), value)).Message);

    [Fact]
    public void TraceConfig_EveryForm_IsRead()
    {
        var trace = Read(
            ("trace-config", "mode=opentelemetry"), ("trace-config", "level=TIMESTAMPS"), ("trace-config", "level=TENSORS"),
            ("trace-config", "rate=7"), ("trace-config", "count=3"), ("trace-config", "triton,file=t.json"),
            ("trace-config", "triton,log-frequency=5"), ("trace-config", "opentelemetry,url=collector:4318/v1/traces"),
            ("trace-config", "opentelemetry,resource=service.name=x"), ("trace-config", "opentelemetry,bsp_max_queue_size=9")).Trace;

        Assert.Equal(TraceMode.OpenTelemetry, trace.Mode);
        Assert.Equal(TraceLevel.Timestamps | TraceLevel.Tensors, trace.Level);
        Assert.Equal((7u, 3, "t.json", 5u), (trace.Rate, trace.Count, trace.File, trace.LogFrequency));
        Assert.Equal("http://collector:4318/v1/traces", trace.OpenTelemetry.Url.AbsoluteUri);
        Assert.Equal(("service.name", "x"), Assert.Single(trace.OpenTelemetry.Resources));
        Assert.Equal(9, trace.OpenTelemetry.MaxQueueSize);
    }

    [Theory]
    [InlineData("trace-config", "nonsense", "must look like")]
    [InlineData("trace-config", "rate=0", "at least 1")]
    [InlineData("trace-config", "count=-2", "at least -1")]
    [InlineData("trace-config", "level=LOUD", "must be OFF, TIMESTAMPS or TENSORS")]
    [InlineData("trace-config", "level=TIMESTAMPS", "names no file")]
    [InlineData("http-port", "70000", "at most 65535")]
    public void Flag_WithAWrongValue_IsRefused(string name, string value, string reason)
    {
        var errors = new List<string>();
        OptionSources.Read([("model-repository", "m"), (name, value)], _ => null, null, errors);

        Assert.Contains(reason, Assert.Single(errors), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, "", 1)]
    [InlineData(null, "3", 3)]
    [InlineData("2", "3", 2)]
    [InlineData(null, "257", "CLEARML_SERVING_NUM_PROCESS: '257' must be a whole number from 1 to 256")]
    [InlineData("0", "3", "SLUICE_ENDPOINT_WORKERS: '0' must be a whole number from 1 to 256")]
    public void VariablesOfTheOriginal_AreRead_WhereTheirOwnAreNotSet(string? own, string original, object expected)
    {
        var errors = new List<string>();
        var options = OptionSources.Read(
            [("model-repository", "m")],
            name => name switch { "SLUICE_ENDPOINT_WORKERS" => own, "CLEARML_SERVING_NUM_PROCESS" => original, _ => null }, null, errors);

        if (expected is int)
            Assert.Equal((expected, 0), (options.ControlPlane!.EndpointWorkers, errors.Count));
        else
            Assert.Equal(expected, Assert.Single(errors));
    }

    [Theory]
    [InlineData("--no-such-flag=1")]
    [InlineData("--no-such-flag")]
    public async Task UnknownFlag_PrintsUsageAndFails(string flag)
    {
        using var process = new ServerProcess(["serve", "--model-repository=m", flag]);

        Assert.NotEqual(0, await process.EndAsync());
        await Eventually.TrueAsync(() => process.Output.Contains("Usage: sluice serve", StringComparison.Ordinal), () => process.Output);
        Assert.Contains("--no-such-flag", process.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Help_NamesEveryFlagByTopic()
    {
        using var process = new ServerProcess(["serve", "--help"]);

        Assert.Equal(0, await process.EndAsync());
        await Eventually.TrueAsync(() => process.Output.Contains("--vertex-ai-default-model", StringComparison.Ordinal), () => process.Output);
        foreach (var title in new[] { "Models:", "HTTP:", "gRPC:", "Metrics:", "Tracing:", "Logging:", "Server:", "Accepted without effect:", "Examples:" })
            Assert.Contains(title, process.Output, StringComparison.Ordinal);
        Assert.All(OptionTable.All, option => Assert.Contains($"  --{option.Name} ", process.Output, StringComparison.Ordinal));
    }

    [Fact]
    public async Task FlagsWithoutEffect_AreToldOnce()
    {
        await using var server = await OperatedServer.StartAsync((options, _) => options with { WithoutEffect = [("host-policy", "reason"), ("host-policy", "reason")] });

        Assert.Equal(2, server.Log.Split("--host-policy is accepted without effect: reason").Length);
    }

    private static ServerOptions Read(params (string Name, string Value)[] flags)
    {
        var errors = new List<string>();
        var options = OptionSources.Read([("model-repository", "m"), .. flags], _ => null, null, errors);
        Assert.Empty(errors);
        return options;
    }
}
