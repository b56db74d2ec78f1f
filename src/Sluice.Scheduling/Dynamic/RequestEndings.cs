using Sluice.Inference;
using Sluice.Scheduling.Timing;

namespace Sluice.Scheduling.Dynamic;

/// <summary>Ends requests that will not run.</summary>
internal sealed class RequestEndings(IServable owner, IDelayTimer clock)
{
    /// <summary>What a request is told whose time in the queue is over, or would be (spec §3.5).</summary>
    public const string Expired = "Request timeout expired";

    /// <summary>Records how a cancelled request ends: late when its deadline passed, else cancelled.</summary>
    public static void FailCancelled(InferRequest request) => request.Fail(
        request.Lifetime?.IsDeadlineExceeded == true ? InferenceCode.DeadlineExceeded : InferenceCode.Cancelled,
        request.Lifetime?.IsDeadlineExceeded == true
            ? $"the deadline passed before model '{request.Settings?.Name}' could run the request"
            : "Request was cancelled");

    /// <summary>Ends a request that did not come into the queue.</summary>
    /// <param name="request">Cancelled or refused.</param>
    /// <param name="refusal">Why it was refused; null = it is cancelled.</param>
    public void EndUnqueued(InferRequest request, RefusalReason? refusal)
    {
        request.QueueCancellation.Dispose();
        if (refusal is not { } reason)
        {
            FailCancelled(request);
            owner.Statistics.RecordFailure(FailureReason.Canceled, 0);
            return;
        }

        request.IsRefused = true;
        request.Fail(InferenceCode.Unavailable, "Exceeds maximum queue size");
        owner.Statistics.RecordRefusal(reason, 0);
    }

    /// <summary>Answers requests whose time in the queue is over.</summary>
    public void RejectExpired(List<InferRequest>? expired)
    {
        if (expired is null)
            return;
        foreach (var request in expired)
        {
            request.QueueCancellation.Dispose();
            request.Fail(InferenceCode.Unavailable, Expired);
            owner.Statistics.RecordRefusal(RefusalReason.QueueTimeout, clock.Now - request.ReceivedAt);
            request.Complete();
        }
    }

    /// <summary>Ends requests that an overloaded model shed; they have failed already.</summary>
    public void EndShed(List<InferRequest>? shed)
    {
        foreach (var request in shed ?? [])
        {
            request.QueueCancellation.Dispose();
            owner.Statistics.RecordRefusal(RefusalReason.Overload, clock.Now - request.ReceivedAt);
            request.Complete();
        }
    }
}
