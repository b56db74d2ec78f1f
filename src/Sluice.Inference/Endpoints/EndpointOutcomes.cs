namespace Sluice.Inference;

/// <summary>The one table from statuses of the core to outcomes of endpoints.</summary>
public static class EndpointOutcomes
{
    /// <summary>Says how a call ended whose request ended with a status.</summary>
    public static EndpointOutcome ToOutcome(this InferenceCode code) => code switch
    {
        InferenceCode.Ok => EndpointOutcome.Ok,
        InferenceCode.InvalidArgument or InferenceCode.OutOfRange or InferenceCode.Unimplemented => EndpointOutcome.BadRequest,
        InferenceCode.Unavailable or InferenceCode.ResourceExhausted or InferenceCode.NotFound => EndpointOutcome.Unavailable,
        InferenceCode.DeadlineExceeded => EndpointOutcome.TimedOut,
        InferenceCode.Cancelled => EndpointOutcome.Cancelled,
        _ => EndpointOutcome.Failed,
    };
}
