using Sluice.Client;
using Sluice.Conformance.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using static Sluice.Conformance.Tests.Infrastructure.Requests;
using Call = Sluice.Client.RpcStreamCall<
    Sluice.Protocol.Inference.ModelInferRequest, Sluice.Protocol.Inference.ModelStreamInferResponse>;

namespace Sluice.Conformance.Tests;

/// <summary>What <c>ModelStreamInfer</c> promises (spec §0.10 to §0.12, §1.7).</summary>
[Collection(ConformanceGroup.Name)]
public sealed class StreamTests(ConformanceTarget target)
{
    private static readonly InferParameter True = new() { BoolParam = true };

    [Fact]
    public async Task S0_10_OrdinaryModels_AnswerInTheOrderOfTheRequests()
    {
        await using var stream = Open();
        for (var i = 0; i < 40; i++)
            await stream.WriteAsync(Infer(i % 2 == 0 ? "simple" : "auto", Good).Change(request => request.Id = $"{i}"));
        stream.Complete();
        Assert.Equal(Enumerable.Range(0, 40).Select(i => $"{i}:data!"), await RestAsync(stream));
    }

    [Fact]
    public async Task S0_11_Decoupled_FinalMarker_OnlyForWhoAsked()
    {
        await using var stream = Open();
        await stream.WriteAsync(Repeat("a", 2));
        Assert.Equal(("a:data", "a:data"), (await NextAsync(stream), await NextAsync(stream)));
        await stream.WriteAsync(Repeat("b", 1).With("triton_enable_empty_final_response", True));
        Assert.Equal(("b:data", "b:none!"), (await NextAsync(stream), await NextAsync(stream)));
        await stream.WriteAsync(Repeat("c", 0).With("triton_enable_empty_final_response", True));
        Assert.Equal("c:none!", await NextAsync(stream));
        stream.Complete();
        Assert.Null(await NextAsync(stream));
    }

    [Fact]
    public async Task S0_12_Failure_IsAMessageWithTheId_AndTheStreamGoesOn()
    {
        await using var stream = Open();
        await stream.WriteAsync(Infer("simple", Good[0]).Change(request => request.Id = "bad"));
        await stream.WriteAsync(Infer("nobody", Good).Change(request => request.Id = "none"));
        await stream.WriteAsync(Infer("simple", Good).Change(request => request.Id = "good"));
        stream.Complete();
        var answers = await RestAsync(stream);
        Expected.Text("bad:[request id: bad] expected 2 inputs*", answers[0]);
        Assert.Equal("none:Request for unknown model: 'nobody' is not found", answers[1]);
        Assert.Equal("good:data!", answers[2]);
    }

    [Fact]
    public async Task S1_7_GrpcError_FailureOfTheModel_EndsTheStreamWithItsStatus()
    {
        await using var stream = Open(("triton_grpc_error", "true"));
        await stream.WriteAsync(Infer("square_faulty", Ints("IN", 1, 1)).Change(request =>
            request.RawInputContents[0] = Google.Protobuf.ByteString.CopyFrom(Bytes<int>(3))));
        Assert.Equal(":data", await NextAsync(stream));
        var failure = await Assert.ThrowsAsync<SluiceException>(() => NextAsync(stream));
        Assert.NotEqual(InferenceCode.Ok, failure.Code);
    }

    [Fact]
    public async Task S1_7_GrpcError_RefusedRequest_IsStillAMessage()
    {
        await using var stream = Open(("triton_grpc_error", "true"));
        await stream.WriteAsync(Infer("simple", Good[0]).Change(request => request.Id = "bad"));
        Expected.Text("bad:[request id: bad] expected 2 inputs*", (await NextAsync(stream))!);
        await stream.WriteAsync(Infer("simple", Good).Change(request => request.Id = "good"));
        Assert.Equal("good:data!", await NextAsync(stream));
    }

    [Fact]
    public async Task S1_7_NoRequest_EndsWithOk()
    {
        await using var stream = Open();
        stream.Complete();
        Assert.Null(await NextAsync(stream));
    }

    private static ModelInferRequest Repeat(string id, int count) => Infer(
        "repeat_int32", Ints("IN", count, count), (Tensor("DELAY", "UINT32", count), new byte[4 * count]), (Tensor("WAIT", "UINT32", 1), new byte[4]))
        .Change(request => request.Id = id);

    /// <summary>Reads one answer as text: id, what it has, and <c>!</c> for the final one.</summary>
    private static async Task<string?> NextAsync(Call stream)
    {
        var answer = await stream.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));
        if (answer is null)
            return null;
        if (answer.ErrorMessage.Length > 0)
            return $"{answer.InferResponse.Id}:{answer.ErrorMessage}";
        var isFinal = answer.InferResponse.Parameters["triton_final_response"].BoolParam;
        Assert.NotEqual("", answer.InferResponse.ModelName);
        return $"{answer.InferResponse.Id}:{(answer.InferResponse.Outputs.Count > 0 ? "data" : "none")}{(isFinal ? "!" : "")}";
    }

    private static async Task<List<string>> RestAsync(Call stream)
    {
        var answers = new List<string>();
        while (await NextAsync(stream) is { } answer)
            answers.Add(answer);
        return answers;
    }

    private Call Open(params (string Name, string Value)[] headers)
    {
        var metadata = new RpcMetadata();
        foreach (var (name, value) in headers)
            metadata.Add(name, value);
        return target.Grpc.OpenStream<ModelInferRequest, ModelStreamInferResponse>(
            "/inference.GRPCInferenceService/ModelStreamInfer", ModelStreamInferResponse.Parser, new CallOptions { Metadata = metadata });
    }
}
