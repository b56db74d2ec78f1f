using Sluice.Inference;
using Sluice.Protocol.Codec;
using Sluice.Rpc.Calls;
using Sluice.Rpc.Dispatch;
using Sluice.Rpc.Framing;

namespace Sluice.Server.Services;

/// <summary>Serves one <c>ModelStreamInfer</c> call (spec §1.7): requests run side by side.</summary>
/// <remarks>
/// <para><b>Order.</b> Responses of models that are not decoupled leave in the order of the requests; those of decoupled
/// models leave as they come, between the others.</para>
/// <para><b>Writing.</b> Whoever has something to write hands it to the pump; one thread at a time is the pump, writes all
/// that is ready and flushes once. A decoupled model goes on when its response has been flushed.</para>
/// <para><b>Bounds.</b> Past a number, or a size, of unanswered requests the stream is not read. With at most one response of
/// each in memory, a slow reader costs bounded memory.</para>
/// <para><b>Ends.</b> A request that fails is answered in the stream, which goes on, unless the client asked for statuses
/// (<c>triton_grpc_error</c>): then the first failure of a request that ran is the call's status and cancels the rest. The call ends
/// with it at once; models that are slow to notice write to a stream that has left its call. When the server stops, nothing more is read,
/// and the call ends with the answers of what is under way.</para>
/// </remarks>
internal sealed class InferenceStream : ICallLifetime, ICallOrigin, IDisposable
{
    private const int FlushBytes = 64 * 1024;
    private const int Http2Cancel = 8;

    private static readonly BulkOffset FindBulk = InferRequestReader.FindBulkOffset;

    private readonly RpcCall _call;
    private readonly IInferenceEngine _engine;
    private readonly object _gate = new();
    private readonly Queue<StreamItem> _ordered = new();
    private readonly Queue<StreamItem> _ready = new();
    private readonly List<StreamItem> _written = [];
    private readonly Stack<StreamItem> _idle = new();
    private readonly SemaphoreSlim _room = new(0);
    private readonly CancellationTokenSource _cancellation = new();
    private readonly TaskCompletionSource _allAnswered = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Done when the call may end: it has all its answers, or a status that ends it, and nobody writes to it any more.
    private readonly TaskCompletionSource _mayEnd = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly bool _endsOnFailure;
    private (InferenceCode Code, string Message)? _failure;
    private long _inFlightBytes;
    private int _inFlightCount;
    private bool _isReaderWaiting;
    private bool _isPumping;
    private bool _isEnded;
    private volatile bool _isBroken;
    private volatile bool _isStopping;
    private volatile bool _isSending;

    // The call has ended, and may be another one by now.
    private volatile bool _hasLeft;

    public InferenceStream(RpcCall call, IInferenceEngine engine)
    {
        _call = call;
        _engine = engine;
        _endsOnFailure = call.Stream.RequestHeader("triton_grpc_error") == "true";
        ClientKey = call.ClientKey;
        FrontEnd = ((ICallOrigin)call).FrontEnd;
        BeganAt = ((ICallOrigin)call).BeganAt;
        Caller = call.Caller;
    }

    public CancellationToken CancellationToken => _cancellation.Token;

    public bool IsDeadlineExceeded => !_hasLeft && _call.IsDeadlineExceeded;

    public int ClientKey { get; }

    public string FrontEnd { get; }

    public long BeganAt { get; }

    public CallerIdentity? Caller { get; }

    private bool HasRoom => _inFlightCount < _call.Options.MaxInFlightPerStream &&
        _inFlightBytes < _call.Options.MaxInFlightBytesPerStream;

    public string? Header(string name) => _hasLeft ? null : ((ICallOrigin)_call).Header(name);

    public void ForwardHeaders(InferRequest request)
    {
        if (!_hasLeft)
            _call.ForwardHeaders(request);
    }

    /// <summary>The call is over; requests that have not noticed yet go on without it.</summary>
    public void Dispose()
    {
        _hasLeft = true;
        _ = DisposeWhenAnsweredAsync();
    }

    public async ValueTask RunAsync()
    {
        _call.Writer.EnableCompression();
        await using var ending = _call.CancellationToken.UnsafeRegister(static stream => ((InferenceStream)stream!).OnCallEnded(), this);
        await using var stopping = _call.Stopping.UnsafeRegister(static stream => ((InferenceStream)stream!).OnStopping(), this);
        try
        {
            while (true)
            {
                await WaitForRoomAsync().ConfigureAwait(false);
                if (_isStopping || await _call.Reader.ReadAsync(mustLand: true, FindBulk).ConfigureAwait(false) is not { } message)
                    break;
                Start(message);
            }
        }
        finally
        {
            End();
            await _mayEnd.Task.ConfigureAwait(false);
            SetStatus();
        }
    }

    /// <summary>Gives a request its place among those that are answered in order.</summary>
    public void Enter(StreamItem item)
    {
        if (item.IsDecoupled)
            return;
        lock (_gate)
            _ordered.Enqueue(item);
    }

    /// <summary>The engine is done with a request: what it left there is written in its turn.</summary>
    public void Finish(StreamItem item)
    {
        bool isWritten;
        lock (_gate)
        {
            item.IsDone = true;
            isWritten = item is { IsDecoupled: true, Request.IsOk: true };
            if (item.IsDecoupled && !isWritten)
                _ready.Enqueue(item);
            while (_ordered.TryPeek(out var next) && next.IsDone)
                _ready.Enqueue(_ordered.Dequeue());
        }

        if (isWritten)
            Recycle(item);
        else
            Pump();
    }

    /// <summary>Has a decoupled model's response written.</summary>
    /// <returns>False when nobody reads any more.</returns>
    public bool TryEnqueue(StreamItem item)
    {
        if (_isBroken)
            return false;
        lock (_gate)
            _ready.Enqueue(item);
        Pump();
        return true;
    }

    private ValueTask WaitForRoomAsync()
    {
        lock (_gate)
        {
            if (HasRoom)
                return ValueTask.CompletedTask;
            _isReaderWaiting = true;
        }

        return new ValueTask(_room.WaitAsync(_cancellation.Token));
    }

    private void Start(MessageLease message)
    {
        StreamItem item;
        lock (_gate)
        {
            item = _idle.TryPop(out var idle) ? idle : new StreamItem(this);
            item.Begin(message);
            _inFlightCount++;
            _inFlightBytes += item.ByteCount;
        }

        item.Run(_call, _engine);
    }

    private async Task DisposeWhenAnsweredAsync()
    {
        await _allAnswered.Task.ConfigureAwait(false);
        _room.Dispose();
        _cancellation.Dispose();
    }

    private void End()
    {
        lock (_gate)
        {
            _isEnded = true;
            CheckEnd();
        }
    }

    private void CheckEnd()
    {
        if (!_isEnded || _inFlightCount > 0 || _isPumping)
            return;
        _allAnswered.TrySetResult();
        _mayEnd.TrySetResult();
    }

    private void Recycle(StreamItem item)
    {
        var byteCount = item.ByteCount;
        item.Reset();
        lock (_gate)
        {
            _idle.Push(item);
            _inFlightCount--;
            _inFlightBytes -= byteCount;
            if (_isReaderWaiting && HasRoom)
            {
                _isReaderWaiting = false;
                _room.Release();
            }

            CheckEnd();
        }
    }

    /// <summary>Writes and flushes until nothing is ready; one thread at a time does it for all.</summary>
    private async void Pump()
    {
        lock (_gate)
        {
            if (_isPumping)
                return;
            _isPumping = true;
        }

        long unflushed = 0;
        while (true)
        {
            if (unflushed < FlushBytes && TakeReady() is { } item)
            {
                _written.Add(item);
                unflushed += await WriteAsync(item).ConfigureAwait(false);
                continue;
            }

            if (unflushed > 0)
                await FlushAsync().ConfigureAwait(false);
            unflushed = 0;
            Release();
            if (TryStopPumping())
                return;
        }
    }

    private StreamItem? TakeReady()
    {
        lock (_gate)
            return _ready.TryDequeue(out var item) ? item : null;
    }

    private bool TryStopPumping()
    {
        lock (_gate)
        {
            if (_ready.Count > 0)
                return false;
            _isPumping = false;
            CheckEnd();
            return true;
        }
    }

    /// <summary>Lets go of what has been written.</summary>
    private void Release()
    {
        foreach (var item in _written)
        {
            if (item.IsDone)
                Recycle(item);
            else
                item.SetWritten();
        }

        _written.Clear();
    }

    private async ValueTask<long> WriteAsync(StreamItem item)
    {
        if (_isBroken)
            return 0;
        var request = item.Request;
        if (_endsOnFailure && request is { IsOk: false, IsRefused: false })
        {
            _failure = (request.Status, request.StatusMessage);
            Break();
            _mayEnd.TrySetResult();
            return 0;
        }

        try
        {
            _isSending = true;
            var length = await item.WriteAsync(_call).ConfigureAwait(false);
            _isSending = false;
            if (length < 0)
                Break();
            return Math.Max(0, length);
        }
        catch (InferenceException error) when (request.IsOk)
        {
            // It is too large to be sent; what can be sent is the reason.
            request.ClearOutputs();
            request.Fail(error.Code, error.Message);
            return await WriteAsync(item).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // Transports say in many ways that the peer is gone; the stream ends as cancelled.
            Break();
            return 0;
        }
    }

    private async ValueTask FlushAsync()
    {
        if (_isBroken)
            return;
        try
        {
            _isSending = true;
            if (!await _call.FlushAsync().ConfigureAwait(false))
                Break();
            _isSending = false;
        }
        catch (Exception)
        {
            Break();
        }
    }

    /// <summary>The client has left or its time is over.</summary>
    private void OnCallEnded()
    {
        Break();

        // A reader that takes nothing would hold the call for ever; a status could not reach it either.
        if (_isSending)
            _call.Stream.Abort(Http2Cancel);
    }

    /// <summary>The server takes no more requests; those that were read are answered.</summary>
    private void OnStopping()
    {
        _isStopping = true;
        _call.StopReading();
    }

    /// <summary>Writes nothing any more, cancels what runs, and stops reading.</summary>
    private void Break()
    {
        _isBroken = true;
        _cancellation.Cancel();
        _call.StopReading();
    }

    private void SetStatus()
    {
        if (_failure is { } failure)
            _call.Fail(failure.Code, failure.Message);
        else if (_call.CancellationToken.IsCancellationRequested && _call.IsDeadlineExceeded)
            _call.Fail(InferenceCode.DeadlineExceeded, "the deadline passed while the call was served");
        else if (_isBroken)
            _call.Fail(InferenceCode.Cancelled, "the call was cancelled");
        else if (_isStopping)
            _call.Fail(InferenceCode.Unavailable, RpcDispatcher.Stopping);
    }
}
