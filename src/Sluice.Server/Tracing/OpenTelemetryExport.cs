using System.Diagnostics;
using System.Globalization;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using Sluice.Inference;

namespace Sluice.Server.Tracing;

/// <summary>Sends traces to a collector as spans: <c>InferRequest</c>, under it the model, under that <c>compute</c> (spec §5.5).</summary>
/// <remarks><b>Threads.</b> One.</remarks>
internal sealed class OpenTelemetryExport : IDisposable
{
    private const string SourceName = "sluice";

    private readonly ActivitySource _source = new(SourceName);

    private readonly TracerProvider _provider;

    public OpenTelemetryExport(OpenTelemetryOptions options)
    {
        var resources = ResourceBuilder.CreateDefault().AddService(SourceName).AddAttributes(
            options.Resources.Select(pair => new KeyValuePair<string, object>(pair.Key, pair.Value)));
        _provider = Sdk.CreateTracerProviderBuilder()
            .AddSource(SourceName)
            .SetSampler(new AlwaysOnSampler())
            .SetResourceBuilder(resources)
            .AddOtlpExporter(exporter =>
            {
                exporter.Endpoint = options.Url;
                exporter.Protocol = OtlpExportProtocol.HttpProtobuf;
                exporter.ExportProcessorType = ExportProcessorType.Batch;
                exporter.BatchExportProcessorOptions = new BatchExportProcessorOptions<Activity>
                {
                    MaxQueueSize = options.MaxQueueSize,
                    ScheduledDelayMilliseconds = options.ScheduleDelayMilliseconds,
                    MaxExportBatchSize = Math.Min(options.MaxExportBatchSize, options.MaxQueueSize),
                };
            })
            .Build();
    }

    public void Export(RequestTrace trace)
    {
        if (trace.Moments.Count == 0)
            return;
        var clock = new Clock(DateTime.UtcNow, Stopwatch.GetTimestamp());
        var parent = trace.TraceParent is not null && ActivityContext.TryParse(trace.TraceParent, trace.TraceState, out var context)
            ? context
            : default;
        var root = Start("InferRequest", ActivityKind.Server, parent, clock, trace.Moments[0].Ticks);
        AddEvents(root, trace, clock, moment => moment.Name.StartsWith("GRPC_", StringComparison.Ordinal) || moment.Name.StartsWith("HTTP_", StringComparison.Ordinal));
        ExportModel(root, trace, clock);
        End(root, clock, trace.Moments[^1].Ticks);
    }

    /// <summary>Sends what is waiting.</summary>
    public void Dispose()
    {
        _provider.Dispose();
        _source.Dispose();
    }

    private void ExportModel(Activity? root, RequestTrace trace, Clock clock)
    {
        if (root is null || TicksOf(trace, "REQUEST_START") is not { } started || TicksOf(trace, "REQUEST_END") is not { } ended)
            return;
        var model = Start(trace.ModelName, ActivityKind.Server, root.Context, clock, started);
        model?.SetTag("triton.model_name", trace.ModelName)
            .SetTag("triton.model_version", long.TryParse(trace.ModelVersion, CultureInfo.InvariantCulture, out var version) ? version : -1)
            .SetTag("triton.trace_id", trace.Id)
            .SetTag("triton.trace_parent_id", trace.ParentId);
        if (trace.RequestId.Length > 0)
            model?.SetTag("triton.request_id", trace.RequestId);
        AddEvents(model, trace, clock, moment => moment.Name.StartsWith("REQUEST_", StringComparison.Ordinal) || moment.Name is "QUEUE_START" or "INFER_RESPONSE_COMPLETE");
        if (trace.Status != InferenceCode.Ok)
            model?.SetStatus(ActivityStatusCode.Error, trace.StatusMessage);
        if (model is not null && TicksOf(trace, "COMPUTE_START") is { } computing && TicksOf(trace, "COMPUTE_END") is { } computed)
        {
            var compute = Start("compute", ActivityKind.Server, model.Context, clock, computing);
            AddEvents(compute, trace, clock, moment => moment.Name.StartsWith("COMPUTE_", StringComparison.Ordinal));
            End(compute, clock, computed);
        }

        End(model, clock, ended);
    }

    private Activity? Start(string name, ActivityKind kind, ActivityContext parent, Clock clock, long ticks)
    {
        // Spans are made after the fact, so none of them is the current one.
        Activity.Current = null;
        return _source.StartActivity(name, kind, parent, startTime: clock.At(ticks));
    }

    private static void End(Activity? span, Clock clock, long ticks)
    {
        span?.SetEndTime(clock.At(ticks).UtcDateTime);
        span?.Dispose();
    }

    private static void AddEvents(Activity? span, RequestTrace trace, Clock clock, Func<TraceMoment, bool> isOfIt)
    {
        foreach (var moment in trace.Moments.Where(isOfIt))
            span?.AddEvent(new ActivityEvent(moment.Name, clock.At(moment.Ticks)));
    }

    private static long? TicksOf(RequestTrace trace, string name)
    {
        foreach (var moment in trace.Moments)
        {
            if (moment.Name == name)
                return moment.Ticks;
        }

        return null;
    }

    /// <summary>Puts ticks on the wall clock.</summary>
    private readonly record struct Clock(DateTime Now, long Ticks)
    {
        public DateTimeOffset At(long ticks) => new(Now - Stopwatch.GetElapsedTime(ticks, Ticks));
    }
}
