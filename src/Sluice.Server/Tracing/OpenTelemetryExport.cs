using System.Diagnostics;
using System.Globalization;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using Sluice.Inference;

namespace Sluice.Server.Tracing;

/// <summary>Sends traces to a collector as spans: <c>InferRequest</c>, under it the model, under that <c>compute</c> (spec §5.5).</summary>
/// <remarks>Beside the original's there are <c>receive</c> and <c>respond</c> under the request, <c>queue</c> under the model, and <c>batch</c>, the
/// gathering of inputs, under <c>compute</c>. Tensors are events of the model's span.
/// <para><b>Threads.</b> One.</para></remarks>
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
        if (trace.Moments.Count == 0 && trace.Tensors.Count == 0)
            return;
        var clock = new Clock(DateTime.UtcNow, Stopwatch.GetTimestamp());
        var parent = trace.TraceParent is not null && ActivityContext.TryParse(trace.TraceParent, trace.TraceState, out var context)
            ? context
            : default;
        var root = Start("InferRequest", ActivityKind.Server, parent, clock, First(trace, clock));
        AddEvents(root, trace, clock, moment => moment.Name.StartsWith("GRPC_", StringComparison.Ordinal) || moment.Name.StartsWith("HTTP_", StringComparison.Ordinal));
        ExportStage(root, "receive", trace, clock, "GRPC_WAITREAD_START", "GRPC_WAITREAD_END");
        ExportStage(root, "receive", trace, clock, "HTTP_RECV_START", "HTTP_RECV_END");
        ExportModel(root, trace, clock);
        ExportStage(root, "respond", trace, clock, "GRPC_SEND_START", "GRPC_SEND_END");
        ExportStage(root, "respond", trace, clock, "HTTP_SEND_START", "HTTP_SEND_END");
        End(root, clock, trace.Moments.Count > 0 ? trace.Moments[^1].Ticks : clock.Ticks);
    }

    /// <summary>Sends what is waiting.</summary>
    public void Dispose()
    {
        _provider.Dispose();
        _source.Dispose();
    }

    private void ExportModel(Activity? root, RequestTrace trace, Clock clock)
    {
        if (root is null)
            return;

        // Without timestamps there are tensors only, and no time but now.
        var started = TicksOf(trace, "REQUEST_START") ?? First(trace, clock);
        var ended = TicksOf(trace, "REQUEST_END") ?? started;
        var model = Start(trace.ModelName, ActivityKind.Server, root.Context, clock, started);
        model?.SetTag("triton.model_name", trace.ModelName)
            .SetTag("triton.model_version", long.TryParse(trace.ModelVersion, CultureInfo.InvariantCulture, out var version) ? version : -1)
            .SetTag("triton.trace_id", trace.Id)
            .SetTag("triton.trace_parent_id", trace.ParentId);
        if (trace.RequestId.Length > 0)
            model?.SetTag("triton.request_id", trace.RequestId);
        AddEvents(model, trace, clock, moment => moment.Name.StartsWith("REQUEST_", StringComparison.Ordinal) || moment.Name is "QUEUE_START" or "INFER_RESPONSE_COMPLETE");
        AddTensors(model, trace, clock.At(started));
        if (trace.Status != InferenceCode.Ok)
            model?.SetStatus(ActivityStatusCode.Error, trace.StatusMessage);
        ExportStage(model, "queue", trace, clock, "QUEUE_START", "COMPUTE_START");
        if (model is not null && TicksOf(trace, "COMPUTE_START") is { } computing && TicksOf(trace, "COMPUTE_END") is { } computed)
        {
            var compute = Start("compute", ActivityKind.Server, model.Context, clock, computing);
            AddEvents(compute, trace, clock, moment => moment.Name.StartsWith("COMPUTE_", StringComparison.Ordinal));
            ExportStage(compute, "batch", trace, clock, "COMPUTE_START", "COMPUTE_INPUT_END");
            End(compute, clock, computed);
        }

        End(model, clock, ended);
    }

    /// <summary>Makes a span of what lies between two moments; nothing when one was not noted.</summary>
    private void ExportStage(Activity? parent, string name, RequestTrace trace, Clock clock, string first, string last)
    {
        if (parent is not null && TicksOf(trace, first) is { } began && TicksOf(trace, last) is { } ended)
            End(Start(name, ActivityKind.Internal, parent.Context, clock, began), clock, ended);
    }

    private static void AddTensors(Activity? span, RequestTrace trace, DateTimeOffset at)
    {
        foreach (var tensor in trace.Tensors)
        {
            var tags = new ActivityTagsCollection
            {
                ["tensor.name"] = tensor.Name,
                ["tensor.datatype"] = tensor.DataType,
                ["tensor.shape"] = tensor.Shape,
                ["tensor.data"] = tensor.Data,
            };
            span?.AddEvent(new ActivityEvent(tensor.Activity, at, tags));
        }
    }

    private static long First(RequestTrace trace, Clock clock) => trace.Moments.Count > 0 ? trace.Moments[0].Ticks : clock.Ticks;

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
