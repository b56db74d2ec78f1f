using System.Collections.Immutable;

namespace Sluice.Server.Tracing;

/// <summary>What is noted of a traced request.</summary>
[Flags]
public enum TraceLevel
{
    /// <summary>Nothing is traced.</summary>
    Off = 0,

    /// <summary>Moments.</summary>
    Timestamps = 1,

    /// <summary>Inputs and outputs.</summary>
    Tensors = 2,
}

/// <summary>Where traces go.</summary>
public enum TraceMode
{
    /// <summary>Into a JSON file, as the original writes it.</summary>
    Triton,

    /// <summary>To a collector, by OTLP over HTTP.</summary>
    OpenTelemetry,
}

/// <summary>How requests are traced unless clients change it (spec §5.5).</summary>
public sealed record TraceOptions
{
    /// <summary>What is noted. Default nothing.</summary>
    public TraceLevel Level { get; init; }

    /// <summary>Every so manieth request is traced. Default 1,000; at least 1.</summary>
    public uint Rate { get; init; } = 1000;

    /// <summary>Traces until tracing ends; -1 = no limit (default).</summary>
    public int Count { get; init; } = -1;

    /// <summary>Traces per numbered file; 0 = all into one file (default).</summary>
    public uint LogFrequency { get; init; }

    /// <summary>The file; needed in mode <see cref="TraceMode.Triton"/>. Fixed at the start.</summary>
    public string File { get; init; } = "";

    /// <summary>Where traces go. Fixed at the start.</summary>
    public TraceMode Mode { get; init; }

    /// <summary>The collector. Fixed at the start.</summary>
    public OpenTelemetryOptions OpenTelemetry { get; init; } = new();
}

/// <summary>How traces reach a collector.</summary>
public sealed record OpenTelemetryOptions
{
    /// <summary>Where OTLP over HTTP is taken.</summary>
    public Uri Url { get; init; } = new("http://localhost:4318/v1/traces");

    /// <summary>Attributes of this server.</summary>
    public ImmutableArray<(string Key, string Value)> Resources { get; init; } = [];

    /// <summary>Spans that may wait; further ones are dropped. Default 2,048.</summary>
    public int MaxQueueSize { get; init; } = 2048;

    /// <summary>Time between exports. Milliseconds; default 5,000.</summary>
    public int ScheduleDelayMilliseconds { get; init; } = 5000;

    /// <summary>Spans per export. Default 512; at most the queue's size.</summary>
    public int MaxExportBatchSize { get; init; } = 512;
}
