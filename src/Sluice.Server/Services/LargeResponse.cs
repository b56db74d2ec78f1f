using System.Runtime.CompilerServices;
using Sluice.Inference;
using Sluice.Protocol.Codec;
using Sluice.Rpc.Calls;

namespace Sluice.Server.Services;

/// <summary>Sends a large response's tensors from where they lie, so that the transport never holds all of it.</summary>
internal static class LargeResponse
{
    /// <summary>Writes a <c>ModelInferResponse</c> behind its frame.</summary>
    /// <param name="call">The call.</param>
    /// <param name="request">With its outputs.</param>
    /// <param name="endsCall">The call succeeds with it, and has no trailers but its status.</param>
    /// <returns>False when the peer is gone.</returns>
    [AsyncMethodBuilder(typeof(WaitingMethodBuilder<>))]
    public static async ValueTask<bool> WriteAsync(RpcCall call, InferRequest request, bool endsCall)
    {
        var output = call.Stream.Output;
        InferResponseWriter.WriteHead(output, request);
        for (var i = 0; i < request.OutputCount; i++)
        {
            var memory = request.Outputs[i].Memory;
            InferResponseWriter.WriteRawHead(output, memory.Length);
            var sending = endsCall && i == request.OutputCount - 1 ? call.SendLastAsync(memory) : call.Stream.SendAsync(memory);
            if (!await sending.ConfigureAwait(false))
                return false;
        }

        return true;
    }
}
