using Sluice.Inference;

namespace Sluice.Scheduling.Dynamic;

/// <summary>Writes into requests and statistics how an execution ended.</summary>
internal static class ExecutionRecords
{
    /// <summary>Counts requests that one execution answered.</summary>
    public static void RecordSuccess(
        this InstanceScheduler owner, ReadOnlySpan<InferRequest> requests, int rows, long startedAt, long gatheredAt, long inferredAt)
    {
        var now = owner.Now;
        var statistics = owner.Statistics;
        var timing = new ExecutionTiming(gatheredAt - startedAt, inferredAt - gatheredAt, now - inferredAt);
        long requestTicks = 0, queueTicks = 0;
        foreach (var request in requests)
        {
            requestTicks += now - request.ReceivedAt;
            queueTicks += startedAt - request.QueuedAt;
            statistics.RequestLatency.Record(ModelStatistics.ToNanoseconds(now - request.ReceivedAt));
            statistics.QueueLatency.Record(ModelStatistics.ToNanoseconds(startedAt - request.QueuedAt));
            request.Times = new RequestTimes(startedAt, gatheredAt, inferredAt, now);
            request.Trace?.MarkExecution(request.QueuedAt, startedAt, gatheredAt, inferredAt, now);
        }

        statistics.RecordExecution(rows, in timing);
        statistics.RecordSuccess(requests.Length, rows, requestTicks, queueTicks, in timing);
        owner.Estimate.Observe(requests.Length, now - startedAt, now);
        owner.Learn(rows, now - startedAt, now);
    }

    /// <summary>Fails requests with what their execution threw, and counts them.</summary>
    public static void RecordFailures(this InstanceScheduler owner, ReadOnlySpan<InferRequest> requests, Exception error)
    {
        foreach (var request in requests)
        {
            if (owner.IsCounted(request))
                owner.RecordFailure(request, error);
        }
    }

    /// <summary>Fails a request with what its execution threw, and counts it.</summary>
    public static void RecordFailure(this InstanceScheduler owner, InferRequest request, Exception error)
    {
        var (code, message) = ExecutionFault.From(error, owner.Settings.Name, owner.Logger);
        if (code == InferenceCode.Cancelled)
            RequestEndings.FailCancelled(request);
        else
            request.Fail(code, message);
        var ticks = owner.Now - request.ReceivedAt;
        if (request.Status is InferenceCode.Cancelled or InferenceCode.DeadlineExceeded)
            owner.Statistics.RecordCancelled(request.Status, ticks);
        else
            owner.Statistics.RecordFailure(FailureReason.Backend, ticks);
    }

    /// <summary>Counts how long the requests of a batch waited for company while they could have run.</summary>
    /// <param name="owner">A model whose batches wait.</param>
    /// <param name="requests">The batch.</param>
    /// <param name="freeSince">Since when an instance was free, clock ticks.</param>
    public static void RecordBatchWait(this ModelScheduler owner, ReadOnlySpan<InferRequest> requests, long freeSince)
    {
        if (owner.Statistics.BatchWaitLatency is not { } waits)
            return;
        var now = owner.Now;
        foreach (var request in requests)
            waits.Record(ModelStatistics.ToNanoseconds(now - Math.Max(request.QueuedAt, freeSince)));
    }
}
