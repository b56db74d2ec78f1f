using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Sluice.Backends.OnnxRuntime.Interop;
using Sluice.Inference;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>A graph that starts on its caller's thread alone and moves to the shared threads once it proves slow.</summary>
/// <remarks>
/// Waking threads costs a small graph more than they save: a convolutional net of 6 µs took 15 µs on two shared threads, an
/// MLP of 9 µs took 13. A graph of milliseconds gains. File sizes do not tell which it is, so its first runs do; a small
/// file is then loaded a second time, in the background. Large files go to the shared threads at once.
/// <para><b>Threads.</b> Any number.</para>
/// </remarks>
internal sealed class AdaptiveSession : IDisposable
{
    private const long SmallBytes = 16 << 20;
    private const uint TimedEvery = 8;

    // So many that a fast graph on a busy machine, preempted now and then, is not taken for a slow one in months.
    private const int SlowRunsInARow = 8;

    private static readonly long SlowTicks = Stopwatch.Frequency / 1000;

    private readonly OnnxSession _first;
    private readonly Func<OnnxSession>? _openShared;
    private readonly ILogger _logger;
    private readonly string _model;
    private volatile OnnxSession _current;
    private volatile bool _isWatching;
    private volatile Task? _moving;
    private int _slowRuns;

    private AdaptiveSession(OnnxSession first, Func<OnnxSession>? openShared, string model, ILogger logger)
    {
        _first = _current = first;
        _openShared = openShared;
        _isWatching = openShared is not null;
        _model = model;
        _logger = logger;
    }

    /// <summary>The session to run now; one that was current before stays usable.</summary>
    public OnnxSession Current => _current;

    /// <summary>Whether run times may still change anything.</summary>
    public bool IsWatching => _isWatching;

    /// <summary>The move to the shared threads; null when it has not begun.</summary>
    public Task? Moving => _moving;

    public static AdaptiveSession Open(
        OrtEnvironment environment, ModelSettings model, SessionSettings settings,
        (InstanceKind Kind, int Device) place, ILogger logger)
    {
        OnnxSession With(SessionSettings variant) =>
            OnnxSession.Open(environment, model, variant, place.Kind, place.Device);
        var mayAdapt = settings.UsesSharedThreads && !settings.IsParallel && place.Kind == InstanceKind.Cpu
            && model.Optimization.CpuAccelerators.IsEmpty && FolderSize(model) <= SmallBytes;
        return mayAdapt
            ? new AdaptiveSession(With(settings.OnCallersThread()), () => With(settings), model.Name, logger)
            : new AdaptiveSession(With(settings), null, model.Name, logger);
    }

    /// <summary>Tells whether to time a run and <see cref="Report"/> it: some, and each one after a slow one.</summary>
    /// <param name="run">The caller's own count of runs.</param>
    public bool WantsTimeOf(uint run) => _isWatching && (run % TimedEvery == 0 || Volatile.Read(ref _slowRuns) > 0);

    /// <summary>Notes how long a run took. A few slow ones in a row start the move, once.</summary>
    public void Report(long ticks)
    {
        if (ticks < SlowTicks)
        {
            Volatile.Write(ref _slowRuns, 0);
            return;
        }

        if (Interlocked.Increment(ref _slowRuns) != SlowRunsInARow || !_isWatching) return;
        _isWatching = false;
        _moving = Task.Run(Move);
    }

    /// <summary>Unloads the graph; no run may be going on.</summary>
    public void Dispose()
    {
        _isWatching = false;
        _moving?.Wait();
        _first.Dispose();
        if (!ReferenceEquals(_current, _first)) _current.Dispose();
    }

    private static long FolderSize(ModelSettings model) =>
        new FileInfo(OnnxSession.FileOf(model)).Directory!.EnumerateFiles().Sum(file => file.Length);

    private void Move()
    {
        try
        {
            _current = _openShared!();
            OnnxRuntimeLog.MovedToSharedThreads(_logger, _model);
        }
        catch (Exception error) when (error is OrtException or InferenceException)
        {
            // The file may have changed or gone since; what is loaded still serves.
            OnnxRuntimeLog.MoveFailed(_logger, _model, error);
        }
    }
}
