using Sluice.Inference;
using Sluice.Scheduling.Timing;

namespace Sluice.Scheduling.Dynamic;

/// <summary>Ends requests that will not run.</summary>
internal sealed class RequestEndings(IServable owner, IDelayTimer clock)
{
    /// <summary>Records how a cancelled request ends: late when its deadline passed, else cancelled.</summary>
    public static void FailCancelled(InferRequest request) => request.Fail(
        request.Lifetime?.IsDeadlineExceeded == true ? InferenceCode.DeadlineExceeded : InferenceCode.Cancelled,
        request.Lifetime?.IsDeadlineExceeded == true
            ? $"the deadline passed before model '{request.Settings?.Name}' could run the request"
            : "Request was cancelled");

    /// <summary>Answers requests whose time in the queue is over.</summary>
    public void RejectExpired(List<InferRequest>? expired)
    {
        if (expired is null)
            return;
        foreach (var request in expired)
        {
            request.QueueCancellation.Dispose();
            request.Fail(InferenceCode.Unavailable, "Request timeout expired");
            owner.Statistics.RecordFailure(FailureReason.Rejected, clock.Now - request.ReceivedAt);
            request.Complete();
        }
    }
}
