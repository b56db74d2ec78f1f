using Sluice.Backends.Python.Wire;
using Sluice.Backends.Python.Workers;
using Sluice.Inference;

namespace Sluice.Backends.Python.Models;

/// <summary>One execution at a worker of a decoupled model: its requests, known until the code has returned and the worker has said its last
/// word on each.</summary>
/// <remarks><b>Threads.</b> The worker's thread, but for <see cref="Fail"/> and <see cref="WhyOverdue"/>.</remarks>
internal sealed class PythonStreamExecution
{
    private readonly PythonStream[] _streams;
    private readonly Action<PythonStreamExecution> _onEnd;
    private readonly TaskCompletionSource _turn = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _abandonedAt;
    private volatile bool _goesOn;
    private bool _isToldToEnd;
    private int _hasReturned;
    private int _parts;

    /// <summary>Begins an execution.</summary>
    /// <param name="number">Its number at the worker.</param>
    /// <param name="requests">Its requests.</param>
    /// <param name="worker">Who runs it; has been entered, and is left with the end of the execution.</param>
    /// <param name="now">Milliseconds of the runtime's clock.</param>
    /// <param name="onEnd">Told of the end.</param>
    public PythonStreamExecution(
        uint number, ReadOnlySpan<IResponseChannel> requests, WorkerConnection worker, long now, Action<PythonStreamExecution> onEnd)
    {
        Number = number;
        Worker = worker;
        StartedAt = now;
        _onEnd = onEnd;
        _parts = requests.Length + 1;
        _streams = new PythonStream[requests.Length];
        for (var i = 0; i < requests.Length; i++)
            _streams[i] = new PythonStream(this, i, requests[i]);
    }

    public uint Number { get; }

    public WorkerConnection Worker { get; }

    /// <summary>Milliseconds of the runtime's clock.</summary>
    public long StartedAt { get; }

    /// <summary>The block of the inputs; -1 = they stand in the frame.</summary>
    public long Block { get; private set; } = -1;

    public ReadOnlySpan<PythonStream> Streams => _streams;

    /// <summary>Done when the next execution may begin: the code has returned, or goes on by itself.</summary>
    public Task Turn => _turn.Task;

    public bool HasReturned => Volatile.Read(ref _hasReturned) != 0;

    /// <summary>The worker is about to be told.</summary>
    public void Begin(long block)
    {
        Block = block;
        foreach (var stream in _streams)
            stream.Begin();
    }

    /// <summary>The worker never got it.</summary>
    public void Abandon()
    {
        foreach (var stream in _streams)
            stream.Release();
        Return();
    }

    /// <summary>The code is a coroutine and waits.</summary>
    /// <param name="isTurnOver">Another execution may begin meanwhile.</param>
    public void GoOn(bool isTurnOver)
    {
        _goesOn = true;
        if (isTurnOver)
            _turn.TrySetResult();
    }

    /// <summary>Asks the worker for the end of a request that nobody waits for, whatever its code does.</summary>
    public void Forget(int index)
    {
        var writer = new FrameWriter();
        writer.Begin(Frames.Forget);
        writer.U32(Number);
        writer.U32((uint)index);
        Worker.Main.Send(writer.End());
    }

    /// <summary>The code has returned; it may have failed.</summary>
    /// <exception cref="WireException">The answer is not one to this execution.</exception>
    public void OnReturned(ref FrameReader reader, uint count)
    {
        if (count != _streams.Length || HasReturned)
            throw new WireException($"{count} answers to the {_streams.Length} requests of execution {Number}");
        foreach (var stream in _streams)
            stream.OnReturned(ref reader);
        Return();
    }

    /// <summary>The worker has gone.</summary>
    public void Fail(string message)
    {
        foreach (var stream in _streams)
            stream.Fail(message);
        Return();
    }

    /// <summary>One of its requests needs nothing of it any more.</summary>
    public void Leave()
    {
        if (Interlocked.Decrement(ref _parts) > 0)
            return;
        Worker.Leave();
        _onEnd(this);
    }

    /// <summary>Tells why its process is to be ended; for one caller, who comes now and then.</summary>
    /// <remarks>A coroutine that nobody waits for is told to end first, since others share its process.</remarks>
    /// <param name="limits">What code may take.</param>
    /// <param name="now">Milliseconds of the runtime's clock.</param>
    /// <returns>Null while it keeps within the limits.</returns>
    public string? WhyOverdue(WorkerLimits limits, long now)
    {
        if (HasReturned)
            return null;
        if (limits.Execution > TimeSpan.Zero && TimeSpan.FromMilliseconds(now - StartedAt) > limits.Execution)
            return $"an execution took longer than its limit of {limits.Execution.TotalSeconds} seconds";
        if (!Array.TrueForAll(_streams, stream => stream.IsDone) || !Array.Exists(_streams, stream => stream.IsCancelled))
            return null;
        if (_abandonedAt == 0)
            _abandonedAt = now;
        if (TimeSpan.FromMilliseconds(now - _abandonedAt) <= limits.CancelGrace)
            return null;
        if (!_goesOn || _isToldToEnd)
            return $"it went on {limits.CancelGrace.TotalSeconds} seconds after its request was cancelled";
        _isToldToEnd = true;
        _abandonedAt = now;
        var writer = new FrameWriter();
        writer.Begin(Frames.Cancel);
        writer.U32(Number);
        Worker.Main.Send(writer.End());
        return null;
    }

    private void Return()
    {
        if (Interlocked.Exchange(ref _hasReturned, 1) != 0)
            return;
        _turn.TrySetResult();
        Leave();
    }
}
