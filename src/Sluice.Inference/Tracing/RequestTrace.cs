using System.Diagnostics;

namespace Sluice.Inference;

/// <summary>One moment of a traced request.</summary>
/// <param name="Name">As the trace file says it, such as <c>COMPUTE_START</c> (spec §5.5).</param>
/// <param name="Ticks">On the clock of <see cref="Stopwatch"/>.</param>
public readonly record struct TraceMoment(string Name, long Ticks);

/// <summary>One tensor of a traced request, as text.</summary>
/// <param name="Activity">Where it was seen, such as <c>TENSOR_QUEUE_INPUT</c>.</param>
/// <param name="Name">The tensor.</param>
/// <param name="Data">Elements joined by commas; shortened when there are many.</param>
/// <param name="Shape">Dimensions joined by commas.</param>
/// <param name="DataType">As the wire says it.</param>
public sealed record TraceTensor(string Activity, string Name, string Data, string Shape, string DataType);

/// <summary>What is noted of one request on its way; only sampled requests have one.</summary>
/// <remarks>
/// <para><b>Ownership.</b> Goes with its request and to the sink when the request is reset, after its answer was written.</para>
/// <para><b>Threads.</b> Those of the request, one at a time.</para>
/// </remarks>
/// <param name="id">Unique in this process, from 1.</param>
/// <param name="sink">Takes the finished trace.</param>
public sealed class RequestTrace(long id, ITraceSink sink)
{
    private readonly List<TraceMoment> _moments = new(16);
    private readonly List<TraceTensor> _tensors = [];

    /// <summary>Number of the trace.</summary>
    public long Id => id;

    /// <summary>The trace of the request that caused this one; 0 = none.</summary>
    public long ParentId { get; init; }

    /// <summary>Numbers the traces of requests that this one causes; null = they are not traced.</summary>
    public Func<long>? NextId { get; init; }

    /// <summary>The model asked for.</summary>
    public required string ModelName { get; init; }

    /// <summary>The version that answers; empty when none was found.</summary>
    public string ModelVersion { get; set; } = "";

    /// <summary>The client's id; may be empty.</summary>
    public required string RequestId { get; init; }

    /// <summary>The request's W3C <c>traceparent</c>; null when it came without.</summary>
    public string? TraceParent { get; init; }

    /// <summary>The request's W3C <c>tracestate</c>; null when it came without.</summary>
    public string? TraceState { get; init; }

    /// <summary>Whose settings it was sampled by; for the sink.</summary>
    public object? Setting { get; init; }

    /// <summary>Which moments are noted at all.</summary>
    public bool HasTimestamps { get; init; }

    /// <summary>Whether tensors are noted.</summary>
    public bool HasTensors { get; init; }

    /// <summary>The name of the last moment, which <see cref="Complete"/> notes; empty = none.</summary>
    public string LastMoment { get; set; } = "";

    /// <summary>How the request ended.</summary>
    public InferenceCode Status { get; set; }

    /// <summary>Why it failed.</summary>
    public string StatusMessage { get; set; } = "";

    /// <summary>The moments, in the order in which they were noted.</summary>
    public IReadOnlyList<TraceMoment> Moments => _moments;

    /// <summary>The tensors.</summary>
    public IReadOnlyList<TraceTensor> Tensors => _tensors;

    /// <summary>Begins the trace of a request that this one causes, such as an ensemble's step.</summary>
    /// <returns>For the request, which hands it over at its end; null when such requests are not traced.</returns>
    public RequestTrace? BeginChild(ModelSettings model) => NextId is null ? null : new RequestTrace(NextId(), sink)
    {
        ParentId = id,
        ModelName = model.Name,
        ModelVersion = model.Version,
        RequestId = RequestId,
        TraceParent = TraceParent,
        TraceState = TraceState,
        Setting = Setting,
        HasTimestamps = HasTimestamps,
        NextId = NextId,
    };

    /// <summary>Notes a moment.</summary>
    public void Mark(string name, long ticks)
    {
        if (HasTimestamps)
            _moments.Add(new TraceMoment(name, ticks));
    }

    /// <summary>Notes the moments of an execution. For schedulers.</summary>
    /// <param name="queued">When it entered the queue, ticks; the others follow in time.</param>
    /// <param name="started">When its batch was taken.</param>
    /// <param name="gathered">When the inputs lay ready.</param>
    /// <param name="inferred">When the engine had run.</param>
    /// <param name="ended">When the outputs were handed out.</param>
    public void MarkExecution(long queued, long started, long gathered, long inferred, long ended)
    {
        Mark("QUEUE_START", queued);
        Mark("COMPUTE_START", started);
        Mark("COMPUTE_INPUT_END", gathered);
        Mark("COMPUTE_OUTPUT_START", inferred);
        Mark("COMPUTE_END", ended);
    }

    /// <summary>Notes a tensor.</summary>
    public void Add(TraceTensor tensor) => _tensors.Add(tensor);

    /// <summary>Hands the trace over; nobody writes to it afterwards.</summary>
    public void Complete()
    {
        if (LastMoment.Length > 0)
            Mark(LastMoment, Stopwatch.GetTimestamp());
        sink.Take(this);
    }
}
