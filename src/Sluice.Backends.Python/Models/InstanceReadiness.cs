using Sluice.Backends.Python.Wire;
using Sluice.Backends.Python.Workers;

namespace Sluice.Backends.Python.Models;

/// <summary>Asks a model's <c>is_ready</c> from time to time and keeps the answer.</summary>
/// <remarks>
/// <para>One question at a time: a model that takes long over it is not asked again meanwhile. Without an answer within the limit it
/// is not ready, until the answer comes. A model that has requests under way may be too busy to answer and keeps its last answer.</para>
/// <para><b>Threads.</b> Any.</para>
/// </remarks>
internal sealed class InstanceReadiness(PythonRuntime runtime) : IDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    private readonly ManualResetEventSlim _firstAnswer = new();
    private readonly object _gate = new();
    private ITimer? _timer;
    private WorkerConnection? _asked;
    private long _askedAt;
    private volatile bool _isReady = true;

    /// <summary>The last answer; true where the model is never asked.</summary>
    public bool IsReady => _isReady;

    /// <summary>Begins to ask, and waits for the first answer as long as an answer may take.</summary>
    public void Begin(Func<WorkerConnection?> worker)
    {
        _timer = runtime.Time.CreateTimer(_ => Ask(worker()), null, Period, Period);
        Ask(worker());
        if (WaitForAnswer())
            return;
        lock (_gate)
        {
            if (!_firstAnswer.IsSet)
                _isReady = false;
        }
    }

    /// <summary>Takes an answer; one of a process that is not asked any more means nothing.</summary>
    public void Take(WorkerConnection worker, bool isReady)
    {
        lock (_gate)
        {
            if (!ReferenceEquals(_asked, worker))
                return;
            _asked = null;
            _isReady = isReady;
            _firstAnswer.Set();
        }
    }

    public void Dispose() => _timer?.Dispose();

    private bool WaitForAnswer()
    {
        try
        {
            return _firstAnswer.Wait(Limit, runtime.Stopping);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private void Ask(WorkerConnection? worker)
    {
        lock (_gate)
        {
            if (worker is null)
                return;
            if (ReferenceEquals(_asked, worker))
            {
                if (worker.Heap.Region.IsInUse)
                    _askedAt = runtime.Time.GetTimestamp();
                else if (runtime.Time.GetElapsedTime(_askedAt) > Limit)
                    _isReady = false;
                return;
            }

            (_asked, _askedAt) = (worker, runtime.Time.GetTimestamp());
        }

        var writer = new FrameWriter();
        writer.Begin(Frames.Ping);
        if (worker.Main.Send(writer.End()))
            return;
        lock (_gate)
            _asked = null;
    }
}
