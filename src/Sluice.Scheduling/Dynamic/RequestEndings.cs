using Sluice.Inference;

namespace Sluice.Scheduling.Dynamic;

/// <summary>What requests are told that will not run.</summary>
internal static class RequestEndings
{
    /// <summary>What a model is told that has a request run again and is not configured to.</summary>
    public const string CannotReschedule =
        "Request is released with TRITONSERVER_REQUEST_RELEASE_RESCHEDULE, while the model is not configured to handle such a flag.";

    /// <summary>What a request is told whose time in the queue is over, or would be (spec §3.5).</summary>
    public const string Expired = "Request timeout expired";

    /// <summary>Records how a cancelled request ends: late when its deadline passed, else cancelled.</summary>
    public static void FailCancelled(InferRequest request)
    {
        if (request.Lifetime?.IsDeadlineExceeded == true)
            FailLate(request);
        else
            request.Fail(InferenceCode.Cancelled, "Request was cancelled");
    }

    /// <summary>Records that a request's deadline passed before it ran.</summary>
    public static void FailLate(InferRequest request) => request.Fail(
        InferenceCode.DeadlineExceeded, $"the deadline passed before model '{request.Settings?.Name}' could run the request");

    /// <summary>Tells whether a request's deadline has passed.</summary>
    public static bool IsLate(InferRequest request, long now) => request.DeadlineAt != 0 && now >= request.DeadlineAt;
}
