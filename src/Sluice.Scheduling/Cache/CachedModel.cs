using System.Runtime.CompilerServices;
using Sluice.Inference;

namespace Sluice.Scheduling.Cache;

/// <summary>Stands before the scheduler of a model whose configuration enables the response cache.</summary>
/// <remarks>
/// <para>A hit never enters the queue. Equal requests that come while the first one runs wait for its answer, so the model computes
/// it once. What belongs to a sequence or lies in shared memory passes by.</para>
/// <para><b>Threads.</b> Any number of callers.</para>
/// </remarks>
/// <param name="inner">The scheduler; disposed with this.</param>
/// <param name="cache">Shared by all models.</param>
internal sealed class CachedModel(IServable inner, ResponseCache cache) : IServable
{
    private readonly long _number = cache.AddModel();
    private readonly Dictionary<UInt128, TaskCompletionSource> _running = [];

    /// <summary>The scheduler behind the cache.</summary>
    public IServable Inner => inner;

    public ModelSettings Settings => inner.Settings;

    public ModelStatistics Statistics => inner.Statistics;

    public int HangingCount => inner.HangingCount;

    public bool IsHealthy => inner.IsHealthy;

    public bool HasCache => true;

    public ValueTask ExecuteAsync(InferRequest request)
    {
        if (!IsCacheable(request))
            return inner.ExecuteAsync(request);
        var began = cache.Now;
        if (request.ReceivedAt == 0)
            request.ReceivedAt = began;
        request.QueuedAt = began;
        var key = new CacheKey(request, _number);
        if (TryServe(request, in key, began))
            return ValueTask.CompletedTask;
        var lookupTicks = cache.Now - began;
        TaskCompletionSource? first;
        bool isFollowing;
        lock (_running)
        {
            isFollowing = _running.TryGetValue(key.Hash, out first);
            if (!isFollowing)
                _running.Add(key.Hash, first = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        return isFollowing ? FollowAsync(request, first!.Task, lookupTicks) : LeadAsync(request, key.Hash, first!, lookupTicks);
    }

    public async ValueTask DisposeAsync()
    {
        await inner.DisposeAsync().ConfigureAwait(false);
        cache.RemoveModel(_number);
    }

    private static bool IsCacheable(InferRequest request)
    {
        if (request.SequenceId != 0 || !request.SequenceName.IsEmpty)
            return false;
        if (!request.NeedsPlacement)
            return true;
        foreach (ref var input in request.Inputs)
        {
            if (input.Shared != 0)
                return false;
        }

        foreach (ref var output in request.RequestedOutputs)
        {
            if (output.Shared != 0)
                return false;
        }

        return true;
    }

    private bool TryServe(InferRequest request, in CacheKey key, long began)
    {
        if (cache.Find(in key) is not { } answer)
            return false;
        for (var i = 0; i < Settings.Outputs.Length; i++)
        {
            if (answer.GetOutput(i, out var shape) is not { } buffer)
                continue;
            ref var output = ref request.AddOutput();
            output.Index = i;
            output.DataType = answer.OutputType(i);
            output.Shape = shape;
            output.Buffer = buffer;
            output.Length = buffer.Length;
        }

        request.HoldBatch(answer);
        answer.Release();
        var now = cache.Now;
        Statistics.RecordCacheHit(now - request.ReceivedAt, now - began);
        return true;
    }

    /// <summary>Runs the request and keeps its answer, for those who wait for it too.</summary>
    [AsyncMethodBuilder(typeof(WaitingMethodBuilder))]
    private async ValueTask LeadAsync(InferRequest request, UInt128 hash, TaskCompletionSource first, long lookupTicks)
    {
        try
        {
            await inner.ExecuteAsync(request).ConfigureAwait(false);
            if (request.IsOk)
                Keep(request, lookupTicks);
        }
        finally
        {
            lock (_running)
                _running.Remove(hash);
            first.SetResult();
        }
    }

    private void Keep(InferRequest request, long lookupTicks)
    {
        var began = cache.Now;
        cache.TryAdd(new CacheKey(request, _number), _number, request);
        Statistics.RecordCacheMiss(lookupTicks + cache.Now - began);
    }

    /// <summary>Waits for an equal request's answer; whoever finds none then runs.</summary>
    private async ValueTask FollowAsync(InferRequest request, Task first, long lookupTicks)
    {
        try
        {
            await first.WaitAsync(request.Lifetime?.CancellationToken ?? default).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            Dynamic.RequestEndings.FailCancelled(request);
            Statistics.RecordFailure(FailureReason.Canceled, cache.Now - request.ReceivedAt);
            return;
        }

        if (TryServe(request, new CacheKey(request, _number), cache.Now - lookupTicks))
            return;
        await inner.ExecuteAsync(request).ConfigureAwait(false);
        if (request.IsOk)
            Keep(request, lookupTicks);
    }
}
