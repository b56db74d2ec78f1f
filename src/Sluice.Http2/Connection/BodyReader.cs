using System.Buffers;
using System.IO.Pipelines;
using System.Threading.Tasks.Sources;

namespace Sluice.Http2.Connection;

/// <summary>A request's body as a pipe whose memory is the connection's receive buffers themselves.</summary>
/// <remarks>
/// <para><b>Threads.</b> The connection's turn appends, one reader on any thread reads; a lock of a few instructions lies
/// between them. A waiting reader continues within the turn unless <see cref="ResumesElsewhere"/>.</para>
/// </remarks>
internal sealed class BodyReader(Http2Stream stream) : PipeReader, IValueTaskSource<ReadResult>, IValueTaskSource<bool>
{
    private readonly object _gate = new();
    private readonly Stack<BodySegment> _free = new();
    private ManualResetValueTaskSourceCore<bool> _wait;
    private BodySegment? _head;
    private BodySegment? _tail;
    private int _headStart;
    private long _unread;
    private bool _isExamined;
    private bool _isCompleted;
    private bool _isAborted;
    private bool _isCanceled;
    private bool _isWaiting;
    private bool _isFillWait;
    private bool _isFilling;
    private Memory<byte> _fill;

    /// <summary>Continue a waiting reader on the thread pool, for handlers that may block.</summary>
    public bool ResumesElsewhere
    {
        set => _wait.RunContinuationsAsynchronously = value;
    }

    /// <summary>What the reader still wants to be filled, when it waits for that; for receiving straight into it.</summary>
    /// <remarks>Valid within the turn: the reader is suspended until the turn completes or aborts it.</remarks>
    public Memory<byte> FillTarget
    {
        get
        {
            lock (_gate)
                return _isFilling ? _fill : default;
        }
    }

    /// <summary>Makes the body ready for the next stream.</summary>
    public void Reset()
    {
        Discard();
        _isExamined = _isCompleted = _isAborted = _isCanceled = _isWaiting = _isFillWait = _isFilling = false;
        _fill = default;
        ResumesElsewhere = false;
    }

    /// <summary>Adds received bytes. In the turn.</summary>
    /// <param name="segment">Where they lie.</param>
    /// <param name="bytes">The bytes.</param>
    public void Append(ReceiveSegment segment, ReadOnlyMemory<byte> bytes)
    {
        if (!stream.IsStarted)
        {
            // There is no reader yet.
            AddBodySegment(segment, bytes);
            return;
        }

        bool isDone;
        lock (_gate)
        {
            if (_isFilling)
            {
                var part = Math.Min(bytes.Length, _fill.Length);
                bytes[..part].CopyTo(_fill);
                AdvanceFill(part);
                bytes = bytes[part..];
            }

            if (bytes.Length > 0)
                AddBodySegment(segment, bytes);
            isDone = TakeReadyWait();
        }

        if (isDone)
            _wait.SetResult(true);
    }

    /// <summary>Counts bytes that the turn has received straight into <see cref="FillTarget"/>.</summary>
    public void Filled(int count)
    {
        bool isDone;
        lock (_gate)
        {
            AdvanceFill(count);
            isDone = TakeReadyWait();
        }

        if (isDone)
            _wait.SetResult(true);
    }

    /// <summary>The peer has sent everything. In the turn.</summary>
    public void CompleteBody() => End(isAborted: false);

    /// <summary>The stream was reset or the connection lost. In the turn.</summary>
    public void AbortBody() => End(isAborted: true);

    /// <inheritdoc/>
    public override bool TryRead(out ReadResult result)
    {
        lock (_gate)
        {
            if (!IsReadable)
            {
                result = default;
                return false;
            }

            result = CurrentResult();
            return true;
        }
    }

    /// <inheritdoc/>
    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            if (IsReadable)
                return new ValueTask<ReadResult>(CurrentResult());
            _wait.Reset();
            _isFillWait = false;
            _isWaiting = true;
            return new ValueTask<ReadResult>(this, _wait.Version);
        }
    }

    /// <summary>Fills memory from the body.</summary>
    /// <returns>False when the body ends before.</returns>
    public ValueTask<bool> FillAsync(Memory<byte> destination)
    {
        int copied;
        bool waits;
        lock (_gate)
        {
            if (_isAborted)
                throw Gone();
            copied = DrainInto(destination.Span);
            destination = destination[copied..];
            waits = !destination.IsEmpty && !_isCompleted;
            if (waits)
            {
                _fill = destination;
                _wait.Reset();
                _isFilling = _isFillWait = _isWaiting = true;
            }
        }

        if (!waits)
        {
            stream.Consumed(copied);
            return new ValueTask<bool>(destination.IsEmpty);
        }

        stream.AwaitsFill(copied, destination.Length);
        return new ValueTask<bool>(this, _wait.Version);
    }

    /// <inheritdoc/>
    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    /// <inheritdoc/>
    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        int count;
        lock (_gate)
        {
            if (consumed.GetObject() is not BodySegment target)
                return;
            count = ReleaseTo(target, consumed.GetInteger());
            _isExamined = _head is null || (examined.GetObject() == _tail && examined.GetInteger() == _tail!.Memory.Length);
        }

        stream.Consumed(count);
    }

    /// <inheritdoc/>
    /// <remarks>A fill goes on, since the turn may be receiving straight into its memory; the read after it is cancelled.</remarks>
    public override void CancelPendingRead()
    {
        bool isDone;
        bool isFill;
        lock (_gate)
        {
            _isCanceled = true;
            isFill = _isWaiting && _isFillWait;
            isDone = !isFill && TakeReadyWait();
        }

        // The socket may be receiving into what is being filled just now; only the turn knows when it is not.
        if (isFill)
            stream.RequestAttention();
        if (isDone)
            _wait.SetResult(true);
    }

    /// <summary>Ends a fill that was cancelled. In the turn.</summary>
    public void CancelFill()
    {
        lock (_gate)
        {
            if (!_isCanceled || !_isFillWait || !_isWaiting)
                return;
            _isFilling = _isWaiting = false;
        }

        _wait.SetResult(true);
    }

    /// <inheritdoc/>
    public override void Complete(Exception? exception = null)
    {
        // The stream discards what is left when its handler has ended.
    }

    /// <summary>Drops what was not read and returns how much it was. In the turn, when nobody reads any more.</summary>
    public int Discard()
    {
        var left = (int)_unread;
        while (_head is not null)
            ReleaseHead();
        _headStart = 0;
        _unread = 0;
        return left;
    }

    ReadResult IValueTaskSource<ReadResult>.GetResult(short token)
    {
        _wait.GetResult(token);
        lock (_gate)
            return CurrentResult();
    }

    bool IValueTaskSource<bool>.GetResult(short token)
    {
        _wait.GetResult(token);
        lock (_gate)
        {
            var isFull = _fill.IsEmpty;
            _fill = default;
            return isFull || (_isAborted ? throw Gone() : false);
        }
    }

    ValueTaskSourceStatus IValueTaskSource<ReadResult>.GetStatus(short token) => _wait.GetStatus(token);

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _wait.GetStatus(token);

    void IValueTaskSource<ReadResult>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _wait.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource<bool>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _wait.OnCompleted(continuation, state, token, flags);

    private bool IsReadable => _isAborted || _isCompleted || _isCanceled || (_head is not null && !_isExamined);

    private static IOException Gone() => new("the client reset the stream or the connection was lost");

    private void End(bool isAborted)
    {
        if (!stream.IsStarted)
        {
            _isAborted |= isAborted;
            _isCompleted |= !isAborted;
            return;
        }

        bool isDone;
        lock (_gate)
        {
            if (isAborted)
                _isAborted = true;
            else
                _isCompleted = true;
            _isFilling = false;
            isDone = TakeReadyWait();
        }

        if (isDone)
            _wait.SetResult(true);
    }

    /// <summary>Takes the reader's wait when what it waits for is there.</summary>
    private bool TakeReadyWait()
    {
        if (!_isWaiting || (_isFillWait ? _isFilling : !IsReadable))
            return false;
        _isWaiting = false;
        return true;
    }

    private void AdvanceFill(int count)
    {
        _fill = _fill[count..];
        _isFilling = !_fill.IsEmpty;
        stream.Consumed(count);
    }

    private ReadResult CurrentResult()
    {
        if (_isAborted)
            throw Gone();
        _isExamined = false;
        var isCanceled = _isCanceled;
        _isCanceled = false;
        var buffer = _head is null
            ? ReadOnlySequence<byte>.Empty
            : new ReadOnlySequence<byte>(_head, _headStart, _tail!, _tail!.Memory.Length);
        return new ReadResult(buffer, isCanceled, _isCompleted);
    }

    private void AddBodySegment(ReceiveSegment segment, ReadOnlyMemory<byte> bytes)
    {
        segment.AddReference();
        var node = _free.TryPop(out var idle) ? idle : new BodySegment();
        node.Set(segment, bytes, _tail);
        _head ??= node;
        _tail = node;
        _unread += bytes.Length;
        _isExamined = false;
    }

    private int DrainInto(Span<byte> destination)
    {
        var copied = 0;
        while (_head is not null && copied < destination.Length)
        {
            var bytes = _head.Memory.Span[_headStart..];
            var part = Math.Min(bytes.Length, destination.Length - copied);
            bytes[..part].CopyTo(destination[copied..]);
            copied += part;
            if (part == bytes.Length)
            {
                ReleaseHead();
                _headStart = 0;
            }
            else
            {
                _headStart += part;
            }
        }

        _unread -= copied;
        return copied;
    }

    private int ReleaseTo(BodySegment target, int index)
    {
        var count = 0;
        while (_head is not null && _head != target)
        {
            count += _head.Memory.Length - _headStart;
            ReleaseHead();
            _headStart = 0;
        }

        if (_head is null)
            throw new InvalidOperationException("the position is not within the body");
        count += index - _headStart;
        _headStart = index;
        if (index == _head.Memory.Length)
        {
            ReleaseHead();
            _headStart = 0;
        }

        _unread -= count;
        return count;
    }

    private void ReleaseHead()
    {
        var node = _head!;
        _head = node.Following;
        if (_head is null)
            _tail = null;
        node.Clear();
        _free.Push(node);
    }
}
