using System.Diagnostics;
using Sluice.Inference;
using Sluice.Protocol.Codec;
using Sluice.Rpc.Calls;
using Sluice.Rpc.Framing;

namespace Sluice.Server.Services;

/// <summary>Serves one <c>ModelStreamInfer</c> call (spec §1.7): requests run side by side, answers leave in their order.</summary>
/// <remarks>
/// <para>Whoever finds the oldest answer ready writes it and all that follow it, and flushes once. A bounded number of
/// requests may be unanswered; past it the stream is not read, so a slow reader costs bounded memory.</para>
/// <para>A request that fails is answered in the stream by its error message; the stream goes on.</para>
/// </remarks>
internal sealed class InferenceStream(RpcCall call, IInferenceEngine engine) : IDisposable
{
    private static readonly BulkOffset FindBulk = InferRequestReader.FindBulkOffset;

    private readonly object _gate = new();
    private readonly Queue<Item> _unanswered = new();
    private readonly Stack<Item> _idle = new();
    private readonly SemaphoreSlim _room = new(call.Options.MaxInFlightPerStream);
    private readonly TaskCompletionSource _allAnswered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _isWriting;
    private bool _isEnded;
    private bool _isBroken;

    private RpcCall Call => call;

    private IInferenceEngine Engine => engine;

    public void Dispose() => _room.Dispose();

    public async ValueTask RunAsync()
    {
        var cancellation = call.CancellationToken;
        try
        {
            while (await call.Reader.ReadAsync(mustLand: true, FindBulk).ConfigureAwait(false) is { } message)
            {
                if (!_room.Wait(0, CancellationToken.None))
                    await _room.WaitAsync(cancellation).ConfigureAwait(false);
                Start(message);
            }
        }
        finally
        {
            End();
            await _allAnswered.Task.ConfigureAwait(false);
        }

        cancellation.ThrowIfCancellationRequested();
    }

    private void Start(MessageLease message)
    {
        Item item;
        lock (_gate)
        {
            item = _idle.TryPop(out var idle) ? idle : new Item(this);
            _unanswered.Enqueue(item);
        }

        item.Run(message);
    }

    private void End()
    {
        lock (_gate)
        {
            _isEnded = true;
            if (_unanswered.Count == 0 && !_isWriting)
                _allAnswered.TrySetResult();
        }
    }

    /// <summary>Writes every answer that is next in order, then flushes; one thread at a time does it for all.</summary>
    private async void WriteReady()
    {
        lock (_gate)
        {
            if (_isWriting)
                return;
            _isWriting = true;
        }

        while (true)
        {
            var hasWritten = false;
            while (TakeReady() is { } item)
            {
                if (!_isBroken)
                    item.Write();
                hasWritten = true;
                Recycle(item);
            }

            if (hasWritten && !_isBroken)
                _isBroken = !await FlushAsync().ConfigureAwait(false);
            lock (_gate)
            {
                if (_unanswered.TryPeek(out var next) && next.IsDone)
                    continue;
                _isWriting = false;
                if (_isEnded && _unanswered.Count == 0)
                    _allAnswered.TrySetResult();
                return;
            }
        }
    }

    private async ValueTask<bool> FlushAsync()
    {
        try
        {
            return await call.FlushAsync().ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or OperationCanceledException or InvalidOperationException)
        {
            return false;
        }
    }

    private Item? TakeReady()
    {
        lock (_gate)
        {
            return _unanswered.TryPeek(out var item) && item.IsDone ? _unanswered.Dequeue() : null;
        }
    }

    private void Recycle(Item item)
    {
        item.Reset();
        lock (_gate)
            _idle.Push(item);
        _room.Release();
    }

    /// <summary>One request of the stream, kept for the next.</summary>
    private sealed class Item(InferenceStream stream)
    {
        private readonly InferRequest _request = new();
        private MessageLease _message;
        private volatile bool _isDone;

        public bool IsDone => _isDone;

        private RpcCall Call => stream.Call;

        public async void Run(MessageLease message)
        {
            _message = message;
            try
            {
                _request.ReceivedAt = Stopwatch.GetTimestamp();
                _request.Lifetime = Call;
                _request.DeadlineAt = Call.DeadlineAt;
                InferRequestReader.Read(message.Payload, _request, Call.Pool);
                await stream.Engine.InferAsync(_request).ConfigureAwait(false);
            }
            catch (Exception error)
            {
                var status = RpcFault.From(error);
                _request.Fail(status.Code, status.Message);
            }

            lock (stream._gate)
                _isDone = true;
            stream.WriteReady();
        }

        public void Write() => Call.Write(
            _request, StreamResponseWriter.Measure(_request),
            static (output, request) => StreamResponseWriter.Write(output, request));

        public void Reset()
        {
            _request.Reset();
            _message.Dispose();
            _message = default;
            _isDone = false;
        }
    }
}
