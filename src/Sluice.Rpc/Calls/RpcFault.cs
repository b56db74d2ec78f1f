using Sluice.Inference;
using Sluice.Protocol.Wire;
using Sluice.Tensors;

namespace Sluice.Rpc.Calls;

/// <summary>The one place that turns exceptions into a status.</summary>
/// <param name="Code">The status.</param>
/// <param name="Message">For the client.</param>
/// <param name="IsUnexpected">A fault of ours, worth a log line.</param>
public readonly record struct RpcFault(InferenceCode Code, string Message, bool IsUnexpected)
{
    /// <summary>Classifies an exception.</summary>
    public static RpcFault From(Exception error) => error switch
    {
        InferenceException known => new(known.Code, known.Message, false),
        WireFormatException broken => new(
            InferenceCode.Internal, $"the request is no valid message: {broken.Message}", false),
        TensorPoolExhaustedException exhausted => new(InferenceCode.ResourceExhausted, exhausted.Message, false),
        OperationCanceledException or IOException => new(InferenceCode.Cancelled, "the call was cancelled", false),
        _ => new(InferenceCode.Unknown, $"{error.GetType().Name}: {error.Message}", true),
    };
}
