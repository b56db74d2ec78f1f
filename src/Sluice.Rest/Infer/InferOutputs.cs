using Sluice.Inference;

namespace Sluice.Rest.Infer;

/// <summary>Tells which outputs of a response go as bytes.</summary>
internal static class InferOutputs
{
    /// <summary>An output's own wish counts; the request's default only when it lists no outputs (spec §2.3).</summary>
    public static bool IsBinary(InferRequest request, in OutputTensor output)
    {
        if (output.Shared != 0)
            return false;
        if (request.RequestedOutputCount == 0)
            return request.PrefersBinaryOutput;
        foreach (ref var requested in request.RequestedOutputs)
        {
            if (requested.Index == output.Index)
                return requested.IsBinary ?? false;
        }

        return false;
    }
}
