using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Scheduling;

/// <summary>What an engine's exception means for the request.</summary>
internal static class ExecutionFault
{
    /// <summary>Classifies an exception; one that nobody expects is logged.</summary>
    public static (InferenceCode Code, string Message) From(Exception error, string model, ILogger logger)
    {
        switch (error)
        {
            case InferenceException known:
                return (known.Code, known.Message);
            case TensorPoolExhaustedException exhausted:
                return (InferenceCode.ResourceExhausted, exhausted.Message);
            default:
                SchedulingLog.ExecutionFailed(logger, model, error);
                return (InferenceCode.Internal, $"model '{model}' failed: {error.Message}");
        }
    }
}
