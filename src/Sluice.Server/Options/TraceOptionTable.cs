using Sluice.Server.Tracing;

namespace Sluice.Server;

/// <summary>Settings of tracing: <c>--trace-config</c> and the older names of the same things.</summary>
internal static class TraceOptionTable
{
    private const string Forms = "must look like triton,KEY=VALUE, opentelemetry,KEY=VALUE or KEY=VALUE";

    /// <summary>One row per setting.</summary>
    public static IEnumerable<OptionDefinition> All { get; } =
    [
        new("trace-config", "level=TIMESTAMPS|TENSORS|OFF, rate=N, count=N, mode=triton|opentelemetry, triton,file=NAME, triton,log-frequency=N, " +
            "opentelemetry,url=URL, opentelemetry,resource=KEY=VALUE; repeat for several. Default off.", (o, v) => o with { Trace = Configure(o.Trace, v) }),
        new("trace-file", "The older name of --trace-config triton,file=NAME.", (o, v) => o with { Trace = o.Trace with { File = v } }),
        new("trace-level", "The older name of --trace-config level=LEVEL.", (o, v) => o with { Trace = o.Trace with { Level = Level(o.Trace.Level, v) } }),
        new("trace-rate", "The older name of --trace-config rate=N.", (o, v) => o with { Trace = o.Trace with { Rate = (uint)OptionTable.Int(v, 1) } }),
        new("trace-count", "The older name of --trace-config count=N.", (o, v) => o with { Trace = o.Trace with { Count = OptionTable.Int(v, -1) } }),
        new("trace-log-frequency", "The older name of --trace-config triton,log-frequency=N.", (o, v) => o with { Trace = o.Trace with { LogFrequency = (uint)OptionTable.Int(v, 0) } }),
    ];

    /// <summary>Reads a level and adds it to those given before.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    internal static TraceLevel Level(TraceLevel before, string value) => value.ToUpperInvariant() switch
    {
        "OFF" => TraceLevel.Off,
        "TIMESTAMPS" or "MIN" or "MAX" => before | TraceLevel.Timestamps,
        "TENSORS" => before | TraceLevel.Tensors,
        _ => throw new FormatException("must be OFF, TIMESTAMPS or TENSORS"),
    };

    private static TraceOptions Configure(TraceOptions trace, string setting)
    {
        var equals = setting.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0)
            throw new FormatException(Forms);
        var (name, value) = (setting[..equals], setting[(equals + 1)..]);
        return name.ToLowerInvariant() switch
        {
            "level" => trace with { Level = Level(trace.Level, value) },
            "rate" => trace with { Rate = (uint)OptionTable.Int(value, 1) },
            "count" => trace with { Count = OptionTable.Int(value, -1) },
            "mode" => trace with { Mode = Mode(value) },
            "triton,file" => trace with { File = value },
            "triton,log-frequency" => trace with { LogFrequency = (uint)OptionTable.Int(value, 0) },
            "opentelemetry,url" => With(trace, o => o with { Url = Url(value) }),
            "opentelemetry,resource" => With(trace, o => o with { Resources = o.Resources.Add(Resource(value)) }),
            "opentelemetry,bsp_max_queue_size" => With(trace, o => o with { MaxQueueSize = OptionTable.Int(value, 1) }),
            "opentelemetry,bsp_schedule_delay" => With(trace, o => o with { ScheduleDelayMilliseconds = OptionTable.Int(value, 1) }),
            "opentelemetry,bsp_max_export_batch_size" => With(trace, o => o with { MaxExportBatchSize = OptionTable.Int(value, 1) }),
            _ => throw new FormatException(Forms),
        };
    }

    private static TraceOptions With(TraceOptions trace, Func<OpenTelemetryOptions, OpenTelemetryOptions> change) =>
        trace with { OpenTelemetry = change(trace.OpenTelemetry) };

    private static TraceMode Mode(string value) => value.ToLowerInvariant() switch
    {
        "triton" => TraceMode.Triton,
        "opentelemetry" => TraceMode.OpenTelemetry,
        _ => throw new FormatException("must be triton or opentelemetry"),
    };

    private static Uri Url(string value)
    {
        // The original takes an address without a scheme, too.
        var text = value.Contains("://", StringComparison.Ordinal) ? value : "http://" + value;
        return Uri.TryCreate(text, UriKind.Absolute, out var url) && (url.Scheme is "http" or "https")
            ? url
            : throw new FormatException("has no http address");
    }

    private static (string Key, string Value) Resource(string value)
    {
        var equals = value.IndexOf('=', StringComparison.Ordinal);
        return equals > 0 ? (value[..equals], value[(equals + 1)..]) : throw new FormatException("must look like opentelemetry,resource=KEY=VALUE");
    }
}
