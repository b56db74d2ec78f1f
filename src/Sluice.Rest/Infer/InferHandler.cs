using System.Buffers;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Rest.Calls;
using Sluice.Rest.Json;
using Sluice.Rest.V2;

namespace Sluice.Rest.Infer;

/// <summary>Serves <c>POST …/infer</c>: the hot path of HTTP from a call's bytes to its response's bytes.</summary>
/// <remarks>
/// <para>Steps: read the body, parse the JSON part, hand out the binary part in place, run, write JSON and then bytes.</para>
/// <para><b>Ownership.</b> Each connection keeps one <see cref="InferRequest"/>; the body lives until it is reset.</para>
/// </remarks>
internal sealed class InferHandler(IInferenceEngine engine, UnaryMethods methods, FrontEndStages? stages)
{
    [AsyncMethodBuilder(typeof(WaitingMethodBuilder))]
    public async ValueTask InferAsync(RestCall call)
    {
        var headerLength = BinaryExtension.ReadHeader(call.Exchange);
        using var body = await call.ReadBodyAsync(Math.Max(headerLength, 0)).ConfigureAwait(false);
        var request = call.Request;
        try
        {
            Begin(call, request, Stopwatch.GetTimestamp());
            if (headerLength == 0)
                await ReadRawAsync(call, body, request).ConfigureAwait(false);
            else
                Read(call, in body, headerLength, request);
            await engine.InferAsync(request).ConfigureAwait(false);
            if (!request.IsOk)
            {
                call.SendError(request);
                return;
            }

            if (FrontEndStages.AsksForTiming(call.Exchange.RequestHeader(FrontEndStages.TimingHeader)))
                call.Exchange.SetHeader(FrontEndStages.TimingHeader, FrontEndStages.FormatTiming(request));
            await RespondAsync(call, request).ConfigureAwait(false);
            stages?.Record(request, call.BeganAt);
        }
        finally
        {
            request.Reset();
        }
    }

    private static void Begin(RestCall call, InferRequest request, long receivedAt)
    {
        request.ReceivedAt = receivedAt;
        request.Lifetime = call;
        request.ModelName = request.AddText(call.Target.ModelUtf8);
        request.ModelVersion = request.AddText(call.Target.VersionUtf8);
    }

    private static void Read(RestCall call, in BodyLease body, int headerLength, InferRequest request)
    {
        var bytes = body.Bytes;
        if (headerLength > bytes.Length)
            throw InferenceException.Invalid(
                $"{BinaryExtension.HeaderName} is {headerLength}, but the body has {bytes.Length} bytes");
        var json = headerLength < 0 ? bytes : bytes.Slice(0, headerLength);
        ReadJson(call, in json, request);
        BinaryExtension.Assign(bytes.Slice(json.End), request);
    }

    private static void ReadJson(RestCall call, in ReadOnlySequence<byte> json, InferRequest request)
    {
        try
        {
            InferJsonReader.Read(in json, request, call.Pool);
        }
        catch (InferenceException refusal) when (BareWords.Mark(refusal, in json) is { } marked)
        {
            var receivedAt = request.ReceivedAt;
            request.Reset();
            Begin(call, request, receivedAt);
            InferJsonReader.Read(new ReadOnlySequence<byte>(marked), request, call.Pool);
        }
    }

    private static ValueTask RespondAsync(RestCall call, InferRequest request)
    {
        var binaryLength = InferJsonWriter.Write(call.Buffer, request);
        return binaryLength < 0 ? call.SendAsync(RestCall.Json) : call.SendBinaryAsync(request, binaryLength);
    }

    private async ValueTask ReadRawAsync(RestCall call, BodyLease body, InferRequest request)
    {
        var response = await methods.InvokeAsync(
            "ModelConfig", new ModelConfigRequest { Name = call.Model, Version = call.Version }, call).ConfigureAwait(false);
        RawInput.Apply(body.Bytes, ((ModelConfigResponse)response).Config, request, call.Pool);
    }
}
