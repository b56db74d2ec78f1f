using System.Diagnostics;
using Sluice.Inference;

namespace Sluice.Server.Tracing;

/// <summary>Begins and ends the traces of sampled requests, around the engine.</summary>
/// <remarks>While nothing is traced a request pays one branch. The rest is noted where it happens: by the scheduler, and
/// by <see cref="InferRequest.Reset"/> once the answer was written.</remarks>
public sealed class TracingEngine(IInferenceEngine inner, TraceState state, ITraceSink sink) : IInferenceEngine
{
    private const int LongestHeader = 512;

    private long _lastId;

    /// <inheritdoc/>
    public ValueTask InferAsync(InferRequest request) =>
        state.Switch.IsActive ? InferSampledAsync(request) : inner.InferAsync(request);

    private ValueTask InferSampledAsync(InferRequest request)
    {
        var model = request.TextString(request.ModelName);
        var setting = state.Find(model);
        if (!setting.IsActive)
            return inner.InferAsync(request);
        var origin = request.Lifetime as ICallOrigin;
        var (parent, parentState, isForced) = ReadContext(origin);
        return setting.TrySample(isForced)
            ? InferTracedAsync(request, Begin(request, setting, model, parent, parentState), origin)
            : inner.InferAsync(request);
    }

    /// <summary>Reads the W3C trace context; one that is malformed counts as none.</summary>
    private static (string? Parent, string? State, bool IsSampled) ReadContext(ICallOrigin? origin)
    {
        if (origin?.Header("traceparent") is not { Length: <= LongestHeader } parent)
            return default;
        var more = origin.Header("tracestate") is { Length: <= LongestHeader } found ? found : null;
        return ActivityContext.TryParse(parent, more, out var context)
            ? (parent, more, (context.TraceFlags & ActivityTraceFlags.Recorded) != 0)
            : default;
    }

    private RequestTrace Begin(InferRequest request, TraceSetting setting, string model, string? parent, string? parentState) =>
        new(NextId(), sink)
        {
            NextId = NextId,
            ModelName = model,
            RequestId = request.TextString(request.Id),
            TraceParent = parent,
            TraceState = parentState,
            Setting = setting,
            HasTimestamps = (setting.Options.Level & TraceLevel.Timestamps) != 0,
            HasTensors = (setting.Options.Level & TraceLevel.Tensors) != 0,
        };

    private long NextId() => Interlocked.Increment(ref _lastId);

    private async ValueTask InferTracedAsync(InferRequest request, RequestTrace trace, ICallOrigin? origin)
    {
        request.Trace = trace;
        var isHttp = origin?.FrontEnd == "HTTP";
        if (origin is not null)
        {
            if (origin.BeganAt != 0)
                trace.Mark(isHttp ? "HTTP_RECV_START" : "GRPC_WAITREAD_START", origin.BeganAt);
            trace.Mark(isHttp ? "HTTP_RECV_END" : "GRPC_WAITREAD_END", request.ReceivedAt);
            trace.LastMoment = isHttp ? "HTTP_SEND_END" : "GRPC_SEND_END";
        }

        trace.Mark("REQUEST_START", Stopwatch.GetTimestamp());
        await inner.InferAsync(request).ConfigureAwait(false);
        var ended = Stopwatch.GetTimestamp();
        if (request.IsOk)
            trace.Mark("INFER_RESPONSE_COMPLETE", ended);
        trace.Mark("REQUEST_END", ended);
        trace.ModelVersion = request.Settings?.Version ?? request.TextString(request.ModelVersion);
        if (!request.IsOk)
        {
            trace.Status = request.Status;
            trace.StatusMessage = request.StatusMessage;
        }

        if (origin is not null)
            trace.Mark(isHttp ? "HTTP_SEND_START" : "GRPC_SEND_START", Stopwatch.GetTimestamp());
    }
}
