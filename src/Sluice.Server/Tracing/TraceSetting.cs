namespace Sluice.Server.Tracing;

/// <summary>The trace settings of one model, or those of all others, at work: it decides which requests are traced.</summary>
/// <remarks>
/// A change makes a new one; traces that began under the old one belong to it still.
/// <para><b>Threads.</b> Any number.</para>
/// </remarks>
public sealed class TraceSetting
{
    private long _seen;
    private int _left;
    private long _sampled;
    private volatile bool _isClosed;

    /// <summary>Puts options to work.</summary>
    public TraceSetting(TraceOptions options)
    {
        Options = options;
        _left = options.Count;
    }

    /// <summary>What it follows.</summary>
    public TraceOptions Options { get; }

    /// <summary>Traces that may still be taken; -1 = no limit.</summary>
    public int Left => Volatile.Read(ref _left);

    /// <summary>Traces taken.</summary>
    public long Sampled => Volatile.Read(ref _sampled);

    /// <summary>Another one has taken its place.</summary>
    public bool IsClosed => _isClosed;

    /// <summary>Why nothing can be traced with it; empty when something can.</summary>
    public string Fault
    {
        get
        {
            if (Options.Level == TraceLevel.Off)
                return "tracing is disabled";
            if (Options.Rate == 0)
                return "sample rate must be non-zero";
            return Options.Mode == TraceMode.Triton && Options.File.Length == 0 ? "trace file name is not given" : "";
        }
    }

    /// <summary>Whether any request is traced with it.</summary>
    public bool IsActive => Fault.Length == 0 && Left != 0;

    /// <summary>Decides about one request.</summary>
    /// <param name="isForced">The caller's own trace is being recorded, so the rate does not count.</param>
    public bool TrySample(bool isForced)
    {
        if (!IsActive || (!isForced && Interlocked.Increment(ref _seen) % Options.Rate != 0))
            return false;
        var left = Left;
        while (left > 0)
        {
            var found = Interlocked.CompareExchange(ref _left, left - 1, left);
            if (found == left)
                break;
            left = found;
        }

        if (left == 0)
            return false;
        Interlocked.Increment(ref _sampled);
        return true;
    }

    /// <summary>Says that another one has taken its place.</summary>
    public void Close() => _isClosed = true;
}
