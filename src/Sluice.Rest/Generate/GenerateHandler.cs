using System.Buffers;
using System.Diagnostics;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Rest.Calls;
using Sluice.Rest.Json;
using Sluice.Rest.V2;

namespace Sluice.Rest.Generate;

/// <summary>Serves <c>POST …/generate</c> and <c>…/generate_stream</c> (spec §2.4).</summary>
/// <remarks><b>Ownership.</b> Uses the connection's pooled request; the body lives until the last response.</remarks>
internal sealed class GenerateHandler(IInferenceEngine engine, UnaryMethods methods)
{
    public async ValueTask GenerateAsync(RestCall call)
    {
        var sink = new SingleResponseSink(call);
        await RunAsync(call, sink).ConfigureAwait(false);
        await sink.EndAsync().ConfigureAwait(false);
    }

    public async ValueTask StreamAsync(RestCall call)
    {
        var sink = new EventStreamSink(call);
        await RunAsync(call, sink).ConfigureAwait(false);
        await sink.EndAsync().ConfigureAwait(false);
    }

    private async ValueTask RunAsync(RestCall call, IResponseSink sink)
    {
        var metadata = (ModelMetadataResponse)await methods.InvokeAsync(
            "ModelMetadata", new ModelMetadataRequest { Name = call.Model, Version = call.Version }, call).ConfigureAwait(false);
        using var body = await call.ReadBodyAsync().ConfigureAwait(false);
        var request = call.Request;
        try
        {
            Begin(call, request, sink, Stopwatch.GetTimestamp());
            Read(call, body.Bytes, metadata, request);
            await engine.InferAsync(request).ConfigureAwait(false);

            // A decoupled model that ran has given everything to the sink by now.
            if (!request.IsOk || !request.Settings!.IsDecoupled)
                await sink.WriteAsync(request, ResponseKind.Final).ConfigureAwait(false);
        }
        finally
        {
            request.Reset();
        }
    }

    private static void Begin(RestCall call, InferRequest request, IResponseSink sink, long receivedAt)
    {
        request.ReceivedAt = receivedAt;
        request.Lifetime = call;
        request.Sink = sink;
        request.ModelName = request.AddText(call.Target.ModelUtf8);
        request.ModelVersion = request.AddText(call.Target.VersionUtf8);
    }

    private static void Read(RestCall call, in ReadOnlySequence<byte> json, ModelMetadataResponse model, InferRequest request)
    {
        try
        {
            GenerateJsonReader.Read(in json, model, request, call.Pool);
        }
        catch (InferenceException refusal) when (BareWords.Mark(refusal, in json) is { } marked)
        {
            var (sink, receivedAt) = (request.Sink!, request.ReceivedAt);
            request.Reset();
            Begin(call, request, sink, receivedAt);
            GenerateJsonReader.Read(new ReadOnlySequence<byte>(marked), model, request, call.Pool);
        }
    }
}
