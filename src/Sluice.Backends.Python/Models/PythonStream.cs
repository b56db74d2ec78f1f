using Sluice.Backends.Python.Calls;
using Sluice.Backends.Python.Wire;
using Sluice.Backends.Python.Workers;
using Sluice.Inference;

namespace Sluice.Backends.Python.Models;

/// <summary>One request of a decoupled model under way, with its responses in the order in which the worker sent them.</summary>
/// <remarks>
/// <para>It ends twice: towards the scheduler with its last response, or as cancelled as soon as nobody waits and the code has returned;
/// towards the worker with the worker's own last word on it, for which a worker is asked that may never say it, and until which its place
/// in the execution and its slot stay taken. What comes between the two is dropped.</para>
/// <para><b>Threads.</b> The worker's thread adds, one pump at a time sends, any thread cancels.</para>
/// </remarks>
internal sealed class PythonStream : IAnswerTarget
{
    private readonly PythonStreamExecution _execution;
    private readonly int _index;
    private readonly IResponseChannel _responses;
    private readonly object _gate = new();
    private readonly Queue<Item> _queue = new();
    private CancellationTokenRegistration _cancellation;
    private Item _read;
    private bool _isPumping;
    private bool _isOver;
    private bool _isCancelled;
    private bool _hasReturned;
    private bool _isReleased;

    public PythonStream(PythonStreamExecution execution, int index, IResponseChannel responses)
    {
        _execution = execution;
        _index = index;
        _responses = responses;
        Slot = Worker.Heap.TakeSlot();
    }

    /// <summary>The byte by which the worker sees that it was cancelled.</summary>
    public int Slot { get; }

    /// <summary>To be read until the execution has been sent.</summary>
    public IResponseChannel Responses => _responses;

    /// <summary>Somebody waited and waits no more.</summary>
    public bool IsCancelled
    {
        get
        {
            lock (_gate)
                return _isCancelled;
        }
    }

    /// <summary>Nobody waits for anything more of it: it has its last response, or was cancelled.</summary>
    public bool IsDone
    {
        get
        {
            lock (_gate)
                return _isOver || _isCancelled;
        }
    }

    private WorkerConnection Worker => _execution.Worker;

    /// <summary>The worker is about to be told.</summary>
    public void Begin() => _cancellation = _responses.CancellationToken.UnsafeRegister(
        static stream => ((PythonStream)stream!).OnCancelled(), this);

    /// <summary>Takes a response, or only the news that there will be no more.</summary>
    public void OnResponse(ref FrameReader reader, bool isFinal)
    {
        lock (_gate)
        {
            if (_isOver)
            {
                AnswerReader.Skip(ref reader, Worker);
            }
            else
            {
                _read = default;
                AnswerReader.Read(ref reader, Worker, _execution.Block, this, 0);
                Enqueue(_read with { IsFinal = isFinal });
            }
        }

        if (isFinal)
            Release();
        Pump();
    }

    /// <summary>The code has returned; it may have failed, which ends the request.</summary>
    public void OnReturned(ref FrameReader reader)
    {
        bool isAnswered;
        lock (_gate)
        {
            if (_isOver)
            {
                isAnswered = AnswerReader.Skip(ref reader, Worker);
            }
            else
            {
                _read = default;
                isAnswered = AnswerReader.Read(ref reader, Worker, _execution.Block, this, 0);
                if (isAnswered)
                    Enqueue(_read with { IsFinal = true });
            }

            _hasReturned = true;
            EndIfCancelled();
        }

        if (isAnswered)
            Release();
        Pump();
    }

    /// <summary>Answers a call when everything before it has been sent.</summary>
    public void Confirm(uint call)
    {
        lock (_gate)
        {
            if (!_isOver)
                _queue.Enqueue(new Item { Call = call });
            else
                ServerCalls.Confirm(Worker, call);
        }

        Pump();
    }

    /// <summary>The worker has gone.</summary>
    public void Fail(string message)
    {
        lock (_gate)
        {
            _hasReturned = true;
            if (!_isOver)
                Enqueue(new Item { Code = InferenceCode.Unavailable, Message = message, IsFinal = true });
        }

        Release();
        Pump();
    }

    /// <summary>Gives back what the worker's side holds; it will say nothing more of the request, or never got it.</summary>
    public void Release()
    {
        lock (_gate)
        {
            if (_isReleased)
                return;
            _isReleased = true;
        }

        // Waits for a cancellation that is just being told, since the slot is another request's from here on.
        _cancellation.Dispose();
        Worker.Heap.ReturnSlot(Slot);
        _execution.Leave();
    }

    ExecutionBatch IAnswerTarget.Rent(int position) => _responses.Rent();

    void IAnswerTarget.Answer(int position, ExecutionBatch response) => _read = new Item { Response = response };

    void IAnswerTarget.Reschedule(int position) => _read = new Item { IsRescheduled = true };

    void IAnswerTarget.Fail(int position, InferenceCode code, string message) => _read = new Item { Code = code, Message = message };

    private void OnCancelled()
    {
        lock (_gate)
        {
            if (_isReleased)
                return;
            _isCancelled = true;
            Worker.Heap.Cancel(Slot);
            EndIfCancelled();
        }

        // Whoever cancels is not kept by what follows.
        ThreadPool.UnsafeQueueUserWorkItem(static stream => stream.Pump(), this, preferLocal: false);
    }

    /// <summary>Ends a request that nobody waits for: its code may never say another word of it.</summary>
    private void EndIfCancelled()
    {
        if (!_isCancelled || !_hasReturned || _isOver)
            return;
        Enqueue(new Item { Code = InferenceCode.Cancelled, Message = "cancelled", IsFinal = true });
        _execution.Forget(_index);
    }

    private void Enqueue(Item item)
    {
        _isOver = item.IsFinal;
        _queue.Enqueue(item);
    }

    private void Pump()
    {
        lock (_gate)
        {
            if (_isPumping || _queue.Count == 0)
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

            try
            {
                // Nothing is behind the last one: the channel may be another request's as soon as it has been sent.
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
