using System.Runtime.CompilerServices;
using Sluice.Inference;
using Sluice.Protocol.Codec;
using Sluice.Rpc.Calls;

namespace Sluice.Server.Services;

/// <summary>Sends a large response's tensors from where they lie, so that the transport never holds all of it.</summary>
internal static class LargeResponse
{
    /// <summary>Writes a <c>ModelInferResponse</c> behind its frame.</summary>
    /// <returns>False when the peer is gone.</returns>
    [AsyncMethodBuilder(typeof(WaitingMethodBuilder<>))]
    public static async ValueTask<bool> WriteAsync(RpcCall call, InferRequest request)
    {
        var output = call.Stream.Output;
        InferResponseWriter.WriteHead(output, request);
        for (var i = 0; i < request.OutputCount; i++)
        {
            var memory = request.Outputs[i].Memory;
            InferResponseWriter.WriteRawHead(output, memory.Length);
            if (!await call.Stream.SendAsync(memory).ConfigureAwait(false))
                return false;
        }

        return true;
    }
}
