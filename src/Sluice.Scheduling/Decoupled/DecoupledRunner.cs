using Sluice.Inference;
using Sluice.Scheduling.RateLimit;

namespace Sluice.Scheduling.Decoupled;

/// <summary>Gives one streaming instance its requests: one execution after the other, each of one request or of a group.</summary>
internal sealed class DecoupledRunner(DecoupledScheduler owner, IStreamingInstance instance) : IThreadPoolWorkItem, IDisposable
{
    private readonly IStreamingGroupInstance? _groups = instance as IStreamingGroupInstance;
    private readonly TaskCompletionSource _retired = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private InferRequest[] _requests = new InferRequest[4];
    private IResponseChannel[] _channels = new IResponseChannel[4];
    private int _count;

    /// <summary>Begins to work off the queue, on the pool.</summary>
    public void Start() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

    public bool IsHealthy => instance.IsHealthy;

    /// <summary>The instance takes several requests in one execution.</summary>
    public bool TakesGroups => _groups is not null;

    /// <summary>Where the instance runs; null in schedulers that have not been told.</summary>
    public InstanceSeat? Seat { get; set; }

    /// <summary>When the requests were taken that the instance is busy with; 0 = none. Under the scheduler's lock.</summary>
    public long StartedAt { get; set; }

    /// <summary>It waits for work; under the scheduler's lock, as is what follows.</summary>
    public bool IsIdle { get; set; } = true;

    /// <summary>It takes no more requests.</summary>
    public bool IsRetiring { get; set; }

    /// <summary>Requests that it took and that have not sent their last response.</summary>
    public int RequestCount { get; set; }

    /// <summary>Requests of the next execution, until it begins; for the runner's own thread.</summary>
    public ReadOnlySpan<InferRequest> Requests => _requests.AsSpan(0, _count);

    /// <summary>Ends when the instance is gone.</summary>
    public Task Retired => _retired.Task;

    /// <summary>Adds to the next execution; under the scheduler's lock.</summary>
    public void Add(InferRequest request)
    {
        if (_count == _requests.Length)
            Array.Resize(ref _requests, _count * 2);
        _requests[_count++] = request;
    }

    /// <summary>Takes requests out of the next execution; those that stay keep their order. For the runner's own thread.</summary>
    /// <param name="mustGo">Decides over each, and ends those that go.</param>
    public void Drop(Predicate<InferRequest> mustGo)
    {
        var kept = 0;
        for (var i = 0; i < _count; i++)
        {
            var request = _requests[i];
            if (!mustGo(request))
                _requests[kept++] = request;
        }

        _requests.AsSpan(kept, _count - kept).Clear();
        _count = kept;
    }

    public void Dispose()
    {
        instance.Dispose();
        Seat?.Dispose();
        _retired.TrySetResult();
    }

    /// <summary>Disposes the instance on the pool: an instance cannot wait for the thread that it answers on.</summary>
    public void Retire() => ThreadPool.UnsafeQueueUserWorkItem(static runner => runner.Dispose(), this, preferLocal: false);

    async void IThreadPoolWorkItem.Execute()
    {
        var isStarting = true;
        var limit = Seat?.Limit;
        limit?.Ask();
        while (true)
        {
            if (limit is not null)
                await limit.WaitAsync().ConfigureAwait(false);
            if (!owner.TryTake(this, isStarting))
            {
                limit?.Release(isUnused: true);
                return;
            }

            isStarting = false;
            await RunAsync().ConfigureAwait(false);
            limit?.AskAgain();
        }
    }

    private async ValueTask RunAsync()
    {
        List<Task>? failing = null;
        var (count, rows) = Gather(ref failing);
        Exception? error = null;
        if (count > 0)
        {
            try
            {
                await ExecuteAsync(count, rows).ConfigureAwait(false);
                owner.Learn(this, rows);
            }
            catch (Exception thrown)
            {
                error = thrown;
            }
        }

        // A reader that takes nothing does not keep the others from their ends.
        for (var i = 0; i < count; i++)
        {
            var ending = ((ResponseChannel)_channels[i]).EndExecutionAsync(error);
            if (!ending.IsCompletedSuccessfully)
                (failing ??= []).Add(ending.AsTask());
        }

        Array.Clear(_channels, 0, count);
        if (failing is not null)
            await Task.WhenAll(failing).ConfigureAwait(false);
    }

    /// <summary>Gathers each request's inputs; one whose inputs cannot be gathered ends alone.</summary>
    private (int Count, int Rows) Gather(ref List<Task>? failing)
    {
        var (count, rows) = (0, 0);
        if (_channels.Length < _count)
            _channels = new IResponseChannel[_requests.Length];
        foreach (var request in Requests)
        {
            var channel = owner.RentChannel();
            try
            {
                channel.Begin(request);
                rows += request.RowCount;
                _channels[count++] = channel;
            }
            catch (Exception error)
            {
                (failing ??= []).Add(channel.EndExecutionAsync(error).AsTask());
            }
        }

        Array.Clear(_requests, 0, _count);
        _count = 0;
        return (count, rows);
    }

    private ValueTask ExecuteAsync(int count, int rows)
    {
        if (count == 1)
            return instance.ExecuteAsync(_channels[0]);
        var group = GroupExecution.Rent(count, rows);
        for (var i = 0; i < count; i++)
            ((ResponseChannel)_channels[i]).Join(group);
        return _groups!.ExecuteAsync(_channels.AsMemory(0, count));
    }
}
