using Sluice.Backends.Python.Calls;
using Sluice.Backends.Python.Wire;
using Sluice.Backends.Python.Workers;
using Sluice.Inference;

namespace Sluice.Backends.Python.Models;

/// <summary>One request of a decoupled model under way, with its responses in the order in which the worker sent them.</summary>
/// <remarks><b>Threads.</b> The worker's thread adds, one pump at a time sends.</remarks>
internal sealed class PythonStream : IAnswerTarget
{
    private readonly IResponseChannel _responses;
    private readonly string _process;
    private readonly Action<PythonStream> _onEnd;
    private readonly TaskCompletionSource _returned = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly object _gate = new();
    private readonly Queue<Item> _queue = new();
    private CancellationTokenRegistration _cancellation;
    private Item _read;
    private long _block = -1;
    private long _cancelledAt;
    private bool _isPumping;
    private bool _isOver;
    private int _parts = 2;

    public PythonStream(
        uint number, IResponseChannel responses, WorkerConnection worker, long now, string process, Action<PythonStream> onEnd)
    {
        Number = number;
        _responses = responses;
        Worker = worker;
        StartedAt = now;
        _process = process;
        _onEnd = onEnd;
        Slot = worker.Heap.TakeSlot();
    }

    public uint Number { get; }

    public WorkerConnection Worker { get; }

    public int Slot { get; }

    /// <summary>Milliseconds of the runtime's clock.</summary>
    public long StartedAt { get; }

    /// <summary>The same clock; 0 = somebody still waits.</summary>
    public long CancelledAt => Volatile.Read(ref _cancelledAt);

    /// <summary>Done when the code has given the next request its turn.</summary>
    public Task Returned => _returned.Task;

    public bool HasReturned => _returned.Task.IsCompleted;

    /// <summary>The worker has been told.</summary>
    public void Begin(long block)
    {
        _block = block;
        _cancellation = _responses.CancellationToken.UnsafeRegister(
            static stream =>
            {
                var self = (PythonStream)stream!;
                Volatile.Write(ref self._cancelledAt, Environment.TickCount64);
                self.Worker.Heap.Cancel(self.Slot);
            },
            this);
    }

    /// <summary>The worker never got the request.</summary>
    public void Abandon()
    {
        Worker.Heap.ReturnSlot(Slot);
        Worker.Leave();
    }

    /// <summary>The code has returned; it may have failed.</summary>
    public void OnReturned(ref FrameReader reader)
    {
        _read = default;
        if (AnswerReader.Read(ref reader, Worker, _block, this, 0))
            Add(_read with { IsFinal = true });
        Return();
    }

    /// <summary>A response, or only the news that there will be no more.</summary>
    public void OnResponse(ref FrameReader reader, bool isFinal)
    {
        _read = default;
        AnswerReader.Read(ref reader, Worker, _block, this, 0);
        Add(_read with { IsFinal = isFinal });
    }

    /// <summary>Answers a call when everything before it has been sent.</summary>
    public void Confirm(uint call) => Add(new Item { Call = call });

    /// <summary>The worker has gone.</summary>
    public void Fail(string reason)
    {
        Add(new Item
        {
            Code = InferenceCode.Unavailable,
            Message = $"Stub process '{_process}' is not healthy: {reason}",
            IsFinal = true,
        });
        Return();
    }

    ExecutionBatch IAnswerTarget.Rent(int position) => _responses.Rent();

    void IAnswerTarget.Answer(int position, ExecutionBatch response) => _read = new Item { Response = response };

    void IAnswerTarget.Reschedule(int position) => _read = new Item { IsRescheduled = true };

    void IAnswerTarget.Fail(int position, InferenceCode code, string message) => _read = new Item { Code = code, Message = message };

    private void Add(Item item)
    {
        lock (_gate)
        {
            if (_isOver)
            {
                item.Response?.Release();
                if (item.Call != 0)
                    ServerCalls.Confirm(Worker, item.Call);
                return;
            }

            _isOver = item.IsFinal;
            _queue.Enqueue(item);
            if (_isPumping)
                return;
            _isPumping = true;
        }

        _ = PumpAsync();
    }

    private async Task PumpAsync()
    {
        while (true)
        {
            Item item;
            lock (_gate)
            {
                if (!_queue.TryDequeue(out item))
                {
                    _isPumping = false;
                    return;
                }
            }

            // The request may be another one's as soon as its end has been sent.
            if (item.IsFinal)
                End();
            try
            {
                await SendAsync(item).ConfigureAwait(false);
            }
            catch (InvalidOperationException)
            {
                // The scheduler has ended the request already.
            }
        }
    }

    private async ValueTask SendAsync(Item item)
    {
        if (item.Call != 0)
            ServerCalls.Confirm(Worker, item.Call);
        else if (item.Response is not null)
            await _responses.SendAsync(item.Response, item.IsFinal).ConfigureAwait(false);
        else if (item.Message is not null)
            await _responses.FailAsync(item.Code, item.Message, item.IsFinal).ConfigureAwait(false);
        else if (item.IsRescheduled)
            await _responses.RescheduleAsync().ConfigureAwait(false);
        else if (item.IsFinal)
            await _responses.CompleteAsync().ConfigureAwait(false);
    }

    private void End()
    {
        _cancellation.Dispose();
        Abandon();
        Leave();
    }

    private void Return()
    {
        if (_returned.TrySetResult())
            Leave();
    }

    /// <summary>The stream is known until the code has returned and the end has been sent, in whichever order.</summary>
    private void Leave()
    {
        if (Interlocked.Decrement(ref _parts) == 0)
            _onEnd(this);
    }

    private record struct Item
    {
        public ExecutionBatch? Response;
        public InferenceCode Code;
        public string? Message;
        public uint Call;
        public bool IsFinal;
        public bool IsRescheduled;
    }
}
