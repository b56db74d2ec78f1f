using System.Diagnostics;
using System.Runtime.CompilerServices;
using Sluice.Inference;
using Sluice.Protocol.Codec;
using Sluice.Rpc.Calls;
using Sluice.Rpc.Framing;

namespace Sluice.Server.Services;

/// <summary>Serves <c>ModelInfer</c>: the hot path from a call's bytes to its response's bytes.</summary>
/// <remarks>
/// <para>Steps: read the message, parse it in place, run it, write the response; the status leaves with it.</para>
/// <para><b>Ownership.</b> Each transport stream keeps one <see cref="InferRequest"/>, so a call allocates nothing here.</para>
/// </remarks>
/// <param name="engine">Runs requests.</param>
/// <param name="stages">Gets the times of requests; null = nobody wants them.</param>
public sealed class InferenceService(IInferenceEngine engine, FrontEndStages? stages = null)
{
    /// <summary>Full name of the gRPC service.</summary>
    public const string Name = "inference.GRPCInferenceService";

    private const string NoStream = "ModelInfer RPC doesn't support models with decoupled transaction policy";

    private static readonly BulkOffset FindBulk = InferRequestReader.FindBulkOffset;

    /// <summary>The service's methods.</summary>
    public IEnumerable<RpcMethod> Methods =>
    [
        new RawMethod(Name, "ModelInfer", InferAsync),
        new RawMethod(Name, "ModelStreamInfer", StreamAsync),
    ];

    [AsyncMethodBuilder(typeof(WaitingMethodBuilder))]
    private async ValueTask InferAsync(RpcCall call)
    {
        if (call.HandlerState is not InferRequest request)
            call.HandlerState = request = new InferRequest { DecoupledRefusal = NoStream };
        using var message = await call.Reader.ReadSingleAsync(FindBulk).ConfigureAwait(false);
        try
        {
            request.ReceivedAt = Stopwatch.GetTimestamp();
            request.Lifetime = call;
            request.DeadlineAt = call.DeadlineAt;
            InferRequestReader.Read(message.Payload, request, call.Pool);
            await engine.InferAsync(request).ConfigureAwait(false);
            if (request.DeadlineAt != 0 && request.IsOk && Stopwatch.GetTimestamp() >= request.DeadlineAt)
                request.Fail(InferenceCode.DeadlineExceeded, "the deadline passed before the answer was ready");
            if (!request.IsOk)
            {
                Refuse(call, request);
                return;
            }

            var asksForTiming = FrontEndStages.AsksForTiming(call.Stream.RequestHeader(FrontEndStages.TimingHeader));
            await RespondAsync(call, request, hasTrailers: asksForTiming).ConfigureAwait(false);
            stages?.Record(request, call.BeganAt);
            if (asksForTiming)
                call.Stream.SetTrailer(FrontEndStages.TimingHeader, FrontEndStages.FormatTiming(request));
        }
        finally
        {
            request.Reset();
        }
    }

    private static void Refuse(RpcCall call, InferRequest request)
    {
        call.Fail(request.Status, request.StatusMessage);
        call.RetryAfterMilliseconds = request.RetryAfterMilliseconds;
    }

    private async ValueTask StreamAsync(RpcCall call)
    {
        using var stream = new InferenceStream(call, engine);
        await stream.RunAsync().ConfigureAwait(false);
    }

    private static ValueTask RespondAsync(RpcCall call, InferRequest request, bool hasTrailers)
    {
        call.Writer.EnableCompression();
        var length = InferResponseWriter.Measure(request);
        if (length >= call.Stream.DirectSendBytes && !call.Writer.IsCompressing)
            return RespondLargeAsync(call, request, length, hasTrailers);
        call.Write(request, length, static (output, response) => InferResponseWriter.Write(output, response));
        return ValueTask.CompletedTask;
    }

    [AsyncMethodBuilder(typeof(WaitingMethodBuilder))]
    private static async ValueTask RespondLargeAsync(RpcCall call, InferRequest request, long length, bool hasTrailers)
    {
        call.WritePrefix(length);
        if (!await LargeResponse.WriteAsync(call, request, endsCall: !hasTrailers).ConfigureAwait(false))
            throw new OperationCanceledException();
    }
}
