namespace Sluice.Inference;

/// <summary>How one response of a stream ended.</summary>
public enum ResponseOutcome
{
    /// <summary>It carried outputs.</summary>
    Success,

    /// <summary>It carried a failure.</summary>
    Failure,

    /// <summary>The step made no response.</summary>
    Empty,

    /// <summary>The request was cancelled.</summary>
    Cancelled,
}

/// <summary>Durations of the responses of one index; see <see cref="ResponseStatistics"/>.</summary>
/// <param name="ComputeInfer">Making the outputs.</param>
/// <param name="ComputeOutput">Storing them.</param>
/// <param name="Success">All of it, when outputs were sent.</param>
/// <param name="Failure">All of it, when a failure was sent.</param>
/// <param name="Empty">All of it, when nothing was sent.</param>
/// <param name="Cancelled">From the response before to the end.</param>
public readonly record struct ResponseTotals(
    DurationTotal ComputeInfer, DurationTotal ComputeOutput, DurationTotal Success, DurationTotal Failure,
    DurationTotal Empty, DurationTotal Cancelled);

/// <summary>What a decoupled model's responses took, by their place in the stream (spec §4, <c>response_stats</c>).</summary>
/// <remarks><b>Threads.</b> Any number of writers and readers.</remarks>
public sealed class ResponseStatistics
{
    /// <summary>Places that have a row of their own; later responses are not counted here.</summary>
    public const int MaxRows = 1024;

    private readonly object _growing = new();
    private volatile Row[] _rows = [];

    /// <summary>Places counted so far.</summary>
    public int Count => _rows.Length;

    /// <summary>Reads the responses of one place.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    public ResponseTotals this[int index]
    {
        get
        {
            var row = _rows[index];
            return new ResponseTotals(
                row.Infer.Read(), row.Output.Read(), row.Success.Read(), row.Failure.Read(), row.Empty.Read(), row.Cancelled.Read());
        }
    }

    /// <summary>Counts one response.</summary>
    /// <param name="index">Its place in the stream, from 0.</param>
    /// <param name="outcome">How it ended.</param>
    /// <param name="inferTicks">From the response before, or the start, until outputs began to be stored.</param>
    /// <param name="outputTicks">Storing outputs; negative when there were none.</param>
    public void Record(int index, ResponseOutcome outcome, long inferTicks, long outputTicks)
    {
        if (index >= MaxRows)
            return;
        if (index >= _rows.Length)
            Grow(index + 1);
        var row = _rows[index];
        var total = inferTicks + Math.Max(0, outputTicks);
        switch (outcome)
        {
            case ResponseOutcome.Success:
                row.Success.Add(total);
                break;
            case ResponseOutcome.Failure:
                row.Failure.Add(total);
                break;
            case ResponseOutcome.Empty:
                row.Empty.Add(total);
                break;
            default:
                row.Cancelled.Add(total);
                return;
        }

        row.Infer.Add(inferTicks);
        if (outputTicks >= 0)
            row.Output.Add(outputTicks);
    }

    private void Grow(int length)
    {
        lock (_growing)
        {
            var rows = _rows;
            if (rows.Length >= length)
                return;
            _rows = [.. rows, .. Enumerable.Range(rows.Length, length - rows.Length).Select(_ => new Row())];
        }
    }

    private sealed class Row
    {
        public Counter Infer;
        public Counter Output;
        public Counter Success;
        public Counter Failure;
        public Counter Empty;
        public Counter Cancelled;
    }

    private struct Counter
    {
        private long _count;
        private long _ticks;

        public void Add(long ticks)
        {
            Interlocked.Increment(ref _count);
            Interlocked.Add(ref _ticks, ticks);
        }

        public DurationTotal Read() =>
            new(Volatile.Read(ref _count), ModelStatistics.ToNanoseconds(Volatile.Read(ref _ticks)));
    }
}
