using System.Diagnostics;

namespace Sluice.Inference;

/// <summary>Why a request failed, as the label <c>reason</c> of the metric says it (spec §4).</summary>
public enum FailureReason
{
    /// <summary>A queue bound or a time limit refused it.</summary>
    Rejected,

    /// <summary>The caller cancelled or its deadline passed.</summary>
    Canceled,

    /// <summary>The engine failed.</summary>
    Backend,

    /// <summary>Anything else, such as a request that does not fit the model.</summary>
    Other,
}

/// <summary>Why a request was not let run, label <c>reason</c> of <c>sluice_refused_requests_total</c>.</summary>
public enum RefusalReason
{
    /// <summary>The queue has as many as it may.</summary>
    QueueFull,

    /// <summary>Its time in the queue was over.</summary>
    QueueTimeout,

    /// <summary>It could not have been answered before its deadline.</summary>
    DeadlineTooSoon,

    /// <summary>The model is overloaded: it would wait, or has waited, too long.</summary>
    Overload,
}

/// <summary>Why a batch was closed.</summary>
public enum BatchCutReason
{
    /// <summary>It reached a preferred or the largest size.</summary>
    SizeReached,

    /// <summary>Its oldest request had waited the allowed delay.</summary>
    DelayReached,

    /// <summary>The next request has other shapes or other optional inputs.</summary>
    ShapeChanged,

    /// <summary>The next request would not fit.</summary>
    WouldOverflow,

    /// <summary>An instance was free and nothing asked for waiting.</summary>
    InstanceFree,
}

/// <summary>Durations of one execution, in <see cref="Stopwatch"/> ticks.</summary>
/// <param name="Input">Gathering inputs.</param>
/// <param name="Infer">The engine's run.</param>
/// <param name="Output">Splitting outputs.</param>
public readonly record struct ExecutionTiming(long Input, long Infer, long Output);

/// <summary>A count with its accumulated time.</summary>
/// <param name="Count">Events.</param>
/// <param name="Nanoseconds">Time of all of them together.</param>
public readonly record struct DurationTotal(long Count, long Nanoseconds);

/// <summary>What one model version has done since it was loaded (spec §4, statistics extension).</summary>
/// <remarks><b>Threads.</b> Any number of writers and readers. Values read together may differ by requests in flight.</remarks>
public sealed class ModelStatistics
{
    private static readonly double NanosecondsPerTick = 1e9 / Stopwatch.Frequency;

    private readonly long[] _failures = new long[4];
    private readonly long[] _cuts = new long[5];
    private readonly long[] _refusals = new long[4];
    private readonly BatchRow[] _batches;
    private long _successCount;
    private long _successTicks;
    private long _failTicks;
    private long _queueTicks;
    private long _inputTicks;
    private long _inferTicks;
    private long _outputTicks;
    private long _inferenceCount;
    private long _executionCount;
    private long _lastInferenceMilliseconds;
    private long _pendingCount;
    private long _lateCount;
    private long _cacheHitCount;
    private long _cacheHitTicks;
    private long _cacheMissCount;
    private long _cacheMissTicks;

    /// <summary>Creates empty statistics.</summary>
    /// <param name="maxBatchSize">Largest execution that can happen; sizes past 4,096 share the last row.</param>
    /// <param name="keepsStages">Keep <see cref="Stages"/>.</param>
    /// <param name="hasBatchDelay">Keep <see cref="BatchWaitLatency"/>.</param>
    public ModelStatistics(int maxBatchSize, bool keepsStages = false, bool hasBatchDelay = false)
    {
        BatchWaitLatency = hasBatchDelay ? new LatencyHistogram() : null;
        _batches = new BatchRow[Math.Clamp(maxBatchSize, 1, 4096) + 1];
        Stages = keepsStages ? new StageLatencies() : null;
    }

    /// <summary>Times of the parts of executions, per request; null unless asked for.</summary>
    public StageLatencies? Stages { get; }

    /// <summary>Time from the complete request to the finished response.</summary>
    public LatencyHistogram RequestLatency { get; } = new();

    /// <summary>Time in the queue.</summary>
    public LatencyHistogram QueueLatency { get; } = new();

    /// <summary>The part of it in which an instance was free and the batch waited for company; null for models that never do.</summary>
    public LatencyHistogram? BatchWaitLatency { get; }

    /// <summary>Time of the engine's runs, per execution.</summary>
    public LatencyHistogram InferLatency { get; } = new();

    /// <summary>Decoupled models: time from the complete request to its first response.</summary>
    public LatencyHistogram FirstResponseLatency { get; } = new();

    /// <summary>Decoupled models: responses by their place in the stream.</summary>
    public ResponseStatistics Responses { get; } = new();

    /// <summary>Requests that succeeded, with their whole time.</summary>
    public DurationTotal Success => Total(ref _successCount, ref _successTicks);

    /// <summary>Time in queues of requests that succeeded.</summary>
    public DurationTotal Queue => Total(ref _successCount, ref _queueTicks);

    /// <summary>Gathering of inputs, per request.</summary>
    public DurationTotal ComputeInput => Computed(ref _inputTicks);

    /// <summary>Runs of the engine, per request.</summary>
    public DurationTotal ComputeInfer => Computed(ref _inferTicks);

    /// <summary>Splitting of outputs, per request.</summary>
    public DurationTotal ComputeOutput => Computed(ref _outputTicks);

    /// <summary>Requests that the response cache answered, with the time of finding their answers.</summary>
    public DurationTotal CacheHit => Total(ref _cacheHitCount, ref _cacheHitTicks);

    /// <summary>Requests whose answer was not in the response cache, with the time of looking for it and of keeping it.</summary>
    public DurationTotal CacheMiss => Total(ref _cacheMissCount, ref _cacheMissTicks);

    /// <summary>Requests that failed, with the time until they did.</summary>
    public DurationTotal Failure => new(_failures.Sum(), ToNanoseconds(Volatile.Read(ref _failTicks)));

    /// <summary>Rows inferred by successful requests.</summary>
    public long InferenceCount => Volatile.Read(ref _inferenceCount);

    /// <summary>Executions of the model.</summary>
    public long ExecutionCount => Volatile.Read(ref _executionCount);

    /// <summary>Time of the last execution, milliseconds since 1970; 0 = never.</summary>
    public long LastInferenceMilliseconds => Volatile.Read(ref _lastInferenceMilliseconds);

    /// <summary>Requests accepted and not yet executing.</summary>
    public long PendingCount => Volatile.Read(ref _pendingCount);

    /// <summary>How long the model's last load took.</summary>
    public TimeSpan LoadDuration { get; set; }

    /// <summary>Largest batch size that has a row of its own.</summary>
    public int LargestBatch => _batches.Length - 1;

    /// <summary>Reads failures by reason.</summary>
    public long FailureCount(FailureReason reason) => Volatile.Read(ref _failures[(int)reason]);

    /// <summary>Reads batches by what closed them.</summary>
    public long CutCount(BatchCutReason reason) => Volatile.Read(ref _cuts[(int)reason]);

    /// <summary>Reads refused requests by reason; they count among the failures too.</summary>
    public long RefusalCount(RefusalReason reason) => Volatile.Read(ref _refusals[(int)reason]);

    /// <summary>Counts one refused request.</summary>
    /// <param name="reason">Why.</param>
    /// <param name="ticks">Time until it was refused, <see cref="Stopwatch"/> ticks.</param>
    public void RecordRefusal(RefusalReason reason, long ticks)
    {
        Interlocked.Increment(ref _refusals[(int)reason]);
        RecordFailure(FailureReason.Rejected, ticks);
    }

    /// <summary>Reads requests whose deadline passed before or while they ran; they count among the cancelled ones too.</summary>
    public long LateCount => Volatile.Read(ref _lateCount);

    /// <summary>Counts one request whose caller went away or whose deadline passed, as its status says.</summary>
    /// <param name="status">The request's.</param>
    /// <param name="ticks">Time until it failed, <see cref="Stopwatch"/> ticks.</param>
    public void RecordCancelled(InferenceCode status, long ticks)
    {
        if (status == InferenceCode.DeadlineExceeded)
            Interlocked.Increment(ref _lateCount);
        RecordFailure(FailureReason.Canceled, ticks);
    }

    /// <summary>Counts a closed batch.</summary>
    public void RecordCut(BatchCutReason reason) => Interlocked.Increment(ref _cuts[(int)reason]);

    /// <summary>Counts requests into (positive) or out of (negative) the queue.</summary>
    public void AddPending(int count) => Interlocked.Add(ref _pendingCount, count);

    /// <summary>Counts one failed request.</summary>
    /// <param name="reason">Its class.</param>
    /// <param name="ticks">Time until it failed, <see cref="Stopwatch"/> ticks.</param>
    public void RecordFailure(FailureReason reason, long ticks)
    {
        Interlocked.Increment(ref _failures[(int)reason]);
        Interlocked.Add(ref _failTicks, ticks);
    }

    /// <summary>Counts one execution of the engine, whatever became of its requests.</summary>
    /// <param name="rows">Rows of the batch.</param>
    /// <param name="timing">Its parts.</param>
    public void RecordExecution(int rows, in ExecutionTiming timing)
    {
        Interlocked.Increment(ref _executionCount);
        Volatile.Write(ref _lastInferenceMilliseconds, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds());
        InferLatency.Record(ToNanoseconds(timing.Infer));
        ref var row = ref _batches[Math.Min(rows, _batches.Length - 1)];
        Interlocked.Increment(ref row.Count);
        Interlocked.Add(ref row.Input, timing.Input);
        Interlocked.Add(ref row.Infer, timing.Infer);
        Interlocked.Add(ref row.Output, timing.Output);
    }

    /// <summary>Counts the successful requests of one execution at once.</summary>
    /// <param name="requests">How many.</param>
    /// <param name="rows">Their rows together.</param>
    /// <param name="requestTicks">Their whole times added up.</param>
    /// <param name="queueTicks">Their queue times added up.</param>
    /// <param name="timing">The execution's parts; each request counts all of it.</param>
    public void RecordSuccess(int requests, int rows, long requestTicks, long queueTicks, in ExecutionTiming timing)
    {
        Interlocked.Add(ref _successCount, requests);
        Interlocked.Add(ref _successTicks, requestTicks);
        Interlocked.Add(ref _queueTicks, queueTicks);
        Interlocked.Add(ref _inputTicks, timing.Input * requests);
        Interlocked.Add(ref _inferTicks, timing.Infer * requests);
        Interlocked.Add(ref _outputTicks, timing.Output * requests);
        Interlocked.Add(ref _inferenceCount, rows);
        Stages?.Record(requests, in timing);
    }

    /// <summary>Counts a request that the response cache answered; it succeeded without a queue and without an execution.</summary>
    /// <param name="requestTicks">Its whole time.</param>
    /// <param name="lookupTicks">The part of finding the answer.</param>
    public void RecordCacheHit(long requestTicks, long lookupTicks)
    {
        Interlocked.Increment(ref _cacheHitCount);
        Interlocked.Add(ref _cacheHitTicks, lookupTicks);
        Interlocked.Increment(ref _successCount);
        Interlocked.Add(ref _successTicks, requestTicks);
        RequestLatency.Record(ToNanoseconds(requestTicks));
        Stages?.CacheHit.Record(ToNanoseconds(lookupTicks));
    }

    /// <summary>Counts a request that the response cache could not answer.</summary>
    /// <param name="ticks">Time of looking for the answer and of keeping it.</param>
    public void RecordCacheMiss(long ticks)
    {
        Interlocked.Increment(ref _cacheMissCount);
        Interlocked.Add(ref _cacheMissTicks, ticks);
        Stages?.CacheMiss.Record(ToNanoseconds(ticks));
    }

    /// <summary>Reads the executions of one batch size.</summary>
    public (long Count, long InputNs, long InferNs, long OutputNs) Batch(int rows)
    {
        ref var row = ref _batches[rows];
        return (Volatile.Read(ref row.Count), ToNanoseconds(Volatile.Read(ref row.Input)),
            ToNanoseconds(Volatile.Read(ref row.Infer)), ToNanoseconds(Volatile.Read(ref row.Output)));
    }

    /// <summary>Turns <see cref="Stopwatch"/> ticks into nanoseconds.</summary>
    public static long ToNanoseconds(long ticks) =>
        Stopwatch.Frequency == 1_000_000_000 ? ticks : (long)(ticks * NanosecondsPerTick);

    /// <summary>What the cache answered was not computed.</summary>
    private DurationTotal Computed(ref long ticks) =>
        new(Volatile.Read(ref _successCount) - Volatile.Read(ref _cacheHitCount), ToNanoseconds(Volatile.Read(ref ticks)));

    private static DurationTotal Total(ref long count, ref long ticks) =>
        new(Volatile.Read(ref count), ToNanoseconds(Volatile.Read(ref ticks)));

    private struct BatchRow
    {
        public long Count;
        public long Input;
        public long Infer;
        public long Output;
    }
}
