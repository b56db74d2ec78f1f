using System.IO.Pipelines;
using System.Threading.Tasks.Sources;

namespace Sluice.Http2.Connection;

/// <summary>A response's body as a pipe; bytes leave with the next turn of the connection after a flush.</summary>
/// <remarks><b>Threads.</b> One writer on any thread. A waiting writer continues within the turn.</remarks>
internal sealed class ResponseWriter(Http2Stream stream) : PipeWriter, IValueTaskSource<FlushResult>, IValueTaskSource<bool>
{
    private readonly object _gate = new();
    private ManualResetValueTaskSourceCore<bool> _wait;
    private volatile bool _isWaiting;
    private bool _waitsForAll;
    private volatile bool _isClosed;
    private volatile bool _isEnding;

    /// <summary>What has been written and not been sent.</summary>
    public OutputQueue Queue { get; } = new();

    /// <summary>Nothing follows what is published.</summary>
    public bool IsEnding => _isEnding;

    /// <summary>Continue a waiting writer on the thread pool.</summary>
    public bool ResumesElsewhere
    {
        set => _wait.RunContinuationsAsynchronously = value;
    }

    /// <inheritdoc/>
    public override Memory<byte> GetMemory(int sizeHint = 0) => Queue.GetMemory(sizeHint);

    /// <inheritdoc/>
    public override Span<byte> GetSpan(int sizeHint = 0) => Queue.GetMemory(sizeHint).Span;

    /// <inheritdoc/>
    public override void Advance(int bytes) => Queue.Advance(bytes);

    /// <inheritdoc/>
    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        Queue.Publish();
        lock (_gate)
        {
            if (_isClosed || Queue.Published <= stream.OutputHighWaterBytes)
            {
                stream.RequestAttention();
                return new ValueTask<FlushResult>(new FlushResult(isCanceled: false, isCompleted: _isClosed));
            }

            BeginWait(forAll: false);
        }

        stream.RequestAttention();
        return new ValueTask<FlushResult>(this, _wait.Version);
    }

    /// <summary>Sends the caller's memory, which is lent until the task ends.</summary>
    /// <param name="memory">What to send.</param>
    /// <param name="isLast">Nothing follows it, and the trailers are set.</param>
    /// <returns>False when the peer is gone.</returns>
    public ValueTask<bool> SendAsync(ReadOnlyMemory<byte> memory, bool isLast)
    {
        lock (_gate)
        {
            if (_isClosed)
                return new ValueTask<bool>(false);
            Queue.PublishLent(memory);
            _isEnding = isLast;
            BeginWait(forAll: true);
        }

        stream.RequestAttention();
        return new ValueTask<bool>(this, _wait.Version);
    }

    /// <summary>Lets a waiting writer go on when enough has left. In the turn.</summary>
    /// <param name="isStaged">Lent memory is still on its way to the socket.</param>
    public void Released(bool isStaged)
    {
        // Whoever begins to wait asks for another look afterwards.
        if (_isWaiting)
            ReleaseWaiting(isStaged);
    }

    private void ReleaseWaiting(bool isStaged)
    {
        bool isDone;
        lock (_gate)
        {
            var left = Queue.Published;
            isDone = _isWaiting && !(_waitsForAll && isStaged) &&
                (_isClosed || (_waitsForAll ? left == 0 : left <= stream.OutputHighWaterBytes / 2));
            if (isDone)
                _isWaiting = false;
        }

        if (isDone)
            _wait.SetResult(true);
    }

    /// <summary>Nothing more will be sent. In the turn.</summary>
    /// <param name="isStaged">Lent memory is still on its way to the socket.</param>
    public void Close(bool isStaged)
    {
        _isClosed = true;
        ReleaseWaiting(isStaged);
    }

    /// <summary>Makes the writer ready for the next stream.</summary>
    public void Reset()
    {
        Queue.Reset();
        _isClosed = false;
        _isEnding = false;
        _isWaiting = false;
        ResumesElsewhere = false;
    }

    /// <inheritdoc/>
    public override void CancelPendingFlush()
    {
        // Handlers here end with their stream; nobody interrupts a flush otherwise.
    }

    /// <inheritdoc/>
    public override void Complete(Exception? exception = null)
    {
        // The stream ends with its handler.
    }

    FlushResult IValueTaskSource<FlushResult>.GetResult(short token)
    {
        _wait.GetResult(token);
        return new FlushResult(isCanceled: false, isCompleted: _isClosed);
    }

    bool IValueTaskSource<bool>.GetResult(short token)
    {
        _wait.GetResult(token);
        return !_isClosed;
    }

    ValueTaskSourceStatus IValueTaskSource<FlushResult>.GetStatus(short token) => _wait.GetStatus(token);

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _wait.GetStatus(token);

    void IValueTaskSource<FlushResult>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _wait.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource<bool>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _wait.OnCompleted(continuation, state, token, flags);

    private void BeginWait(bool forAll)
    {
        _wait.Reset();
        _waitsForAll = forAll;
        _isWaiting = true;
    }
}
