using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Sluice.Inference;
using Sluice.Scheduling.RateLimit;
using Sluice.Scheduling.Sequences;

namespace Sluice.Scheduling.Dynamic;

/// <summary>Runs one instance's batches: inline, on the pool, or on a thread of its own.</summary>
/// <remarks>At any time it is idle, starting, or executing; only one thread works for it.</remarks>
internal sealed class InstanceRunner : IThreadPoolWorkItem, IDisposable
{
    // A pool thread goes on to other work after this many batches, so that one busy model does not keep it.
    private const int BatchesPerTurn = 32;

    private readonly InstanceScheduler _owner;
    private readonly IModelInstance _instance;
    private readonly string _name;
    private readonly RequestGroup? _group;
    private readonly StreamGroup? _streams;
    private InferRequest[] _requests = new InferRequest[4];
    private OrderedCompletion? _order;
    private long _ticket;
    private Thread? _thread;
    private SemaphoreSlim? _wake;
    private readonly TaskCompletionSource _retired = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _isDisposed;

    public InstanceRunner(InstanceScheduler owner, IModelInstance instance, string name, int number)
    {
        Number = number;
        _owner = owner;
        _instance = instance;
        _name = name;
        if (instance is IRequestInstance requests)
            _group = new RequestGroup(owner, requests);
        else if (instance is IStreamingInstance streams)
            _streams = new StreamGroup(owner, streams);
    }

    public bool IsHealthy => _instance.IsHealthy;

    /// <summary>Its place among the model's instances.</summary>
    public int Number { get; }

    /// <summary>Where the instance runs; null in schedulers that have not been told.</summary>
    public InstanceSeat? Seat { get; set; }

    /// <summary>It ends with what it has taken; guarded by the owner's lock.</summary>
    public bool IsRetiring { get; set; }

    /// <summary>Ends when the instance is gone.</summary>
    public Task Retired => _retired.Task;

    /// <summary>For logs.</summary>
    public string Name => _name;

    /// <summary>The watchdog has told of the running batch; for the watchdog alone.</summary>
    public long ToldOf { get; set; }

    /// <summary>Requests of the batch being run.</summary>
    public int Count { get; private set; }

    /// <summary>Guarded by the owner's lock.</summary>
    public bool IsExecuting { get; set; }

    /// <summary>The running batch is one request that runs on its caller's thread; guarded by the owner's lock.</summary>
    public bool IsInline { get; set; }

    /// <summary>When the running batch was taken, clock ticks; guarded by the owner's lock.</summary>
    public long StartedAt { get; set; }

    /// <summary>The batch being run; read by others under the owner's lock while <see cref="IsExecuting"/>.</summary>
    public ReadOnlySpan<InferRequest> Requests => _requests.AsSpan(0, Count);

    /// <summary>A request of the batch; changed under the owner's lock.</summary>
    public InferRequest this[int position]
    {
        get => _requests[position];
        set => _requests[position] = value;
    }

    /// <summary>Forgets the last batch; the caller holds the owner's lock.</summary>
    public void Clear()
    {
        _requests.AsSpan(0, Count).Clear();
        Count = 0;
    }

    /// <summary>Begins the next batch; the caller holds the owner's lock, adds its requests, and completes it.</summary>
    public void Begin(long now)
    {
        Clear();
        _order = _owner.Order;
        _ticket = _order?.TakeTicket() ?? 0;
        StartedAt = now;
        IsExecuting = true;
        IsInline = false;
    }

    /// <summary>Gives the running batch the first place in an order that begins; the caller holds the owner's lock.</summary>
    /// <returns>False when it has none: nothing runs, or on its caller's thread, or it is being answered already.</returns>
    public bool TryJoinOrder()
    {
        if (!IsExecuting || IsInline || Count == 0)
            return false;
        _order = _owner.Order!;
        _ticket = _order.TakeTicket();
        return true;
    }

    /// <summary>Drops requests from the end of a batch that has run; the caller holds the owner's lock.</summary>
    public void Truncate(int count)
    {
        _requests.AsSpan(count, Count - count).Clear();
        Count = count;
    }

    /// <summary>Adds to the next batch; the caller holds the owner's lock.</summary>
    public void Add(InferRequest request)
    {
        request.QueueOwner = this;
        if (Count == _requests.Length)
            Array.Resize(ref _requests, Count * 2);
        _requests[Count++] = request;
    }

    /// <summary>Stops the engine when nobody waits for any answer of this batch; the caller holds the owner's lock.</summary>
    public void Cancel(InferRequest cancelled)
    {
        if (!IsExecuting)
            return;
        _group?.Cancel(cancelled);
        foreach (var request in Requests)
        {
            if (!request.IsCancelled)
                return;
        }

        _instance.Terminate();
    }

    /// <summary>Begins to work off the queue, on the pool for cheap models, else on the instance's own thread.</summary>
    public void Start()
    {
        if (_owner.Estimate.IsCheap)
        {
            // All requests that the same read brought are in the queue by the end of the thread's turn.
            if (!ThreadTurn.TryDefer(this))
                ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
            return;
        }

        if (_thread is null)
        {
            _wake = new SemaphoreSlim(0);
            _thread = new Thread(RunThread) { IsBackground = true, Name = _name };
            _thread.Start();
        }

        _wake!.Release();
    }

    /// <summary>Runs the one request that was taken, on the calling thread.</summary>
    [AsyncMethodBuilder(typeof(WaitingMethodBuilder))]
    public async ValueTask RunInlineAsync(InferRequest request)
    {
        await RunAsync(0, 1).ConfigureAwait(false);
        _owner.FinishTurn(this);
        request.QueueCancellation.Dispose();
        request.QueueOwner = null;
    }

    void IThreadPoolWorkItem.Execute() => Drain();

    public void Dispose()
    {
        _isDisposed = true;
        _wake?.Release();
        _thread?.Join();
        _wake?.Dispose();
        _streams?.Dispose();
        _instance.Dispose();
        Seat?.Dispose();
        _retired.TrySetResult();
    }

    /// <summary>Disposes the instance on the pool: its own thread cannot wait for itself.</summary>
    public void Retire() => ThreadPool.UnsafeQueueUserWorkItem(static runner => runner.Dispose(), this, preferLocal: false);

    private void RunThread()
    {
        while (true)
        {
            _wake!.Wait();
            if (_isDisposed)
                return;
            Drain();
        }
    }

    /// <summary>Runs batches until the queue has none.</summary>
    private async void Drain()
    {
        var isStarting = true;
        var limit = Seat?.Limit;
        limit?.Ask();
        for (var turn = 0; ; turn++)
        {
            if (limit is not null)
                await limit.WaitAsync().ConfigureAwait(false);
            if (!_owner.TryCut(this, isStarting))
            {
                limit?.Release(isUnused: true);
                return;
            }

            isStarting = false;
            await RunAsync(0, Count).ConfigureAwait(false);
            limit?.AskAgain();
            _owner.EndExecution(this);
            CompleteAll();
            if (turn >= BatchesPerTurn && _owner.Estimate.IsCheap && limit is null)
            {
                _owner.FinishTurn(this);
                return;
            }
        }
    }

    private void CompleteAll()
    {
        foreach (var request in Requests)
        {
            request.QueueCancellation.Dispose();
            request.QueueOwner = null;
        }

        if (_order is not null)
        {
            _order.Complete(_ticket, Requests);
        }
        else if (_owner.Estimate.IsCheap && Thread.CurrentThread != _thread)
        {
            foreach (var request in Requests)
                request.Complete();
        }
        else
        {
            // The instance goes on with its next batch while these are answered. Its own thread never runs a waiter, who
            // might dispose the model and so wait for that very thread.
            ThreadPool.UnsafeQueueUserWorkItem(Completion.Of(Requests), preferLocal: false);
        }
    }

    [AsyncMethodBuilder(typeof(WaitingMethodBuilder))]
    private async ValueTask RunAsync(int start, int count)
    {
        var startedAt = _owner.Now;
        if (!_owner.KeepsPlaces && !DropDead(ref start, ref count, startedAt))
            return;
        if (_group is not null)
        {
            await _group.RunAsync(_requests.AsMemory(start, count), RowsOf(start, count)).ConfigureAwait(false);
            return;
        }

        if (_streams is not null)
        {
            await _streams.RunAsync(_requests.AsMemory(start, count)).ConfigureAwait(false);
            return;
        }

        var batch = _owner.RentBatch(RowsOf(start, count));
        try
        {
            BatchAssembler.Assemble(batch, _requests.AsSpan(start, count));
            var gatheredAt = _owner.Now;
            await _instance.ExecuteAsync(batch).ConfigureAwait(false);
            var inferredAt = _owner.Now;
            _owner.Answer(batch, _requests.AsSpan(start, count), startedAt, gatheredAt, inferredAt);
            return;
        }
        catch (Exception error)
        {
            foreach (var request in _requests.AsSpan(start, count))
                request.ClearOutputs();
            if (count == 1 || _owner.KeepsPlaces)
                _owner.RecordFailures(_requests.AsSpan(start, count), error);
        }
        finally
        {
            batch.Release();
        }

        // One request's data must not cost the others their answers, so each is tried alone.
        for (var i = 0; count > 1 && i < count && !_owner.KeepsPlaces; i++)
            await RunAsync(start + i, 1).ConfigureAwait(false);
    }

    /// <summary>Fails requests that nobody waits for, and closes the gaps; false when none is left.</summary>
    /// <remarks>While others wait, requests whose deadline will have passed at the end of the execution make room for them.</remarks>
    private bool DropDead(ref int start, ref int count, long finish)
    {
        if (_owner.HasWaiting)
            finish += _owner.Overload.Times.Predict(RowsOf(start, count));
        var isAnyDead = false;
        foreach (var request in _requests.AsSpan(start, count))
            isAnyDead |= IsDead(request, finish);
        if (isAnyDead)
        {
            // Others look at the batch under the lock, to see whether anybody still waits for it.
            lock (_owner.Gate)
                count = MoveDeadBehind(start, count, finish);
        }

        return count > 0;
    }

    private static bool IsDead(InferRequest request, long finish) =>
        request.IsCancelled || RequestEndings.IsLate(request, finish);

    private int MoveDeadBehind(int start, int count, long finish)
    {
        var kept = 0;
        for (var i = start; i < start + count; i++)
        {
            var request = _requests[i];
            if (!IsDead(request, finish))
            {
                // Dead ones change places with live ones: they stay in the batch to be completed with it.
                (_requests[start + kept], _requests[i]) = (request, _requests[start + kept]);
                kept++;
                continue;
            }

            if (request.IsCancelled)
                RequestEndings.FailCancelled(request);
            RequestEndings.FailLate(request);
            _owner.Statistics.RecordCancelled(request.Status, _owner.Now - request.ReceivedAt);
        }

        return kept;
    }

    private int RowsOf(int start, int count)
    {
        if (_owner.Settings.MaxBatchSize == 0)
            return 1;
        var rows = 0;
        foreach (var request in _requests.AsSpan(start, count))
            rows += request.RowCount;
        return rows;
    }

    /// <summary>Ends the requests of a batch on the pool; kept and used again.</summary>
    private sealed class Completion : IThreadPoolWorkItem
    {
        private const int MostKept = 64;
        private static readonly ConcurrentQueue<Completion> Idle = new();

        private InferRequest[] _requests = [];
        private int _count;

        public static Completion Of(ReadOnlySpan<InferRequest> requests)
        {
            if (!Idle.TryDequeue(out var completion))
                completion = new Completion();
            if (completion._requests.Length < requests.Length)
                completion._requests = new InferRequest[requests.Length];
            requests.CopyTo(completion._requests);
            completion._count = requests.Length;
            return completion;
        }

        public void Execute()
        {
            foreach (var request in _requests.AsSpan(0, _count))
                request.Complete();
            _requests.AsSpan(0, _count).Clear();
            if (Idle.Count < MostKept)
                Idle.Enqueue(this);
        }
    }
}
