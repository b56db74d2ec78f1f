using Sluice.Conformance.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using static Sluice.Conformance.Tests.Infrastructure.Requests;

namespace Sluice.Conformance.Tests;

/// <summary>Rules of the sequence batcher (spec §0.9, §1.3, §3.5).</summary>
[Collection(ConformanceGroup.Name)]
public sealed class SequenceTests(ConformanceTarget target)
{
    private const string StartNeeded = "must specify the START flag on the first request of the sequence";

    private static long _lastId = 100_000;

    public static TheoryData<string> Sums => ["sequence_direct", "sequence_oldest"];

    [Theory]
    [MemberData(nameof(Sums))]
    public async Task S3_5_Steps_OfInterleavedSequences_KeepTheirState(string model)
    {
        var (a, b) = (NextId(), NextId());
        Assert.Equal(1, await StepAsync(model, a, 1, isStart: true));
        Assert.Equal(10, await StepAsync(model, b, 10, isStart: true));
        Assert.Equal(3, await StepAsync(model, a, 2));
        Assert.Equal(30, await StepAsync(model, b, 20));
        var corrected = model == "sequence_oldest";
        Assert.Equal(6 + (corrected ? a : 0), await StepAsync(model, a, 3, isEnd: true));
        Assert.Equal(60 + (corrected ? b : 0), await StepAsync(model, b, 30, isEnd: true));
    }

    [Fact]
    public async Task S3_5_Batch_MustBeOne()
    {
        var (code, text) = await target.FailAsync("ModelInfer", Step("sequence_direct", NextId(), 1, isStart: true).Change(request =>
        {
            request.Inputs[0].Shape[0] = 2;
            request.RawInputContents[0] = Google.Protobuf.ByteString.CopyFrom(new byte[8]);
        }));
        Assert.Equal(InferenceCode.InvalidArgument, code);
        Assert.Equal("inference request to model 'sequence_direct' must specify batch-size 1 due to requirements of sequence batcher", text);
    }

    [Fact]
    public async Task S3_5_Id_MustBeThere()
    {
        var (code, text) = await target.FailAsync("ModelInfer", Step("sequence_direct", 0, 1, isStart: true));
        Assert.Equal(
            (InferenceCode.InvalidArgument, "inference request to model 'sequence_direct' must specify a non-zero or non-empty correlation ID"),
            (code, text));
        (code, text) = await target.FailAsync("ModelInfer", Infer("sequence_direct", Ints("INPUT", 1, 1, 1)));
        Assert.Equal(InferenceCode.InvalidArgument, code);
        Assert.EndsWith("must specify a non-zero or non-empty correlation ID", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task S3_5_FirstRequest_MustStart()
    {
        Assert.Equal(
            (InferenceCode.InvalidArgument, $"inference request for sequence 37469245 to model 'sequence_direct' {StartNeeded}"),
            await target.FailAsync("ModelInfer", Step("sequence_direct", 37469245, 1)));
        Assert.Equal(
            (InferenceCode.InvalidArgument, $"inference request for sequence some to model 'sequence_direct' {StartNeeded}"),
            await target.FailAsync("ModelInfer", Named("sequence_direct", "some", 1, isStart: false)));
    }

    [Fact]
    public async Task S3_5_FirstRequest_MustStart_OverHttpToo()
    {
        var answer = await target.PostAsync(
            "/v2/models/sequence_direct/infer",
            """{"inputs":[{"name":"INPUT","datatype":"INT32","shape":[1,1],"data":[1]}],"parameters":{"sequence_id":"other"}}""");
        Assert.Equal(400, answer.Status);
        Assert.Equal($"inference request for sequence other to model 'sequence_direct' {StartNeeded}", answer.Json.GetProperty("error").GetString());
    }

    [Fact]
    public async Task S3_5_AfterTheEnd_ANewStartIsNeeded()
    {
        var id = NextId();
        await StepAsync("sequence_oldest", id, 1, isStart: true, isEnd: true);
        var (code, text) = await target.FailAsync("ModelInfer", Step("sequence_oldest", id, 1));
        Assert.Equal(InferenceCode.InvalidArgument, code);
        Assert.EndsWith(StartNeeded, text, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Sums))]
    public async Task S3_5_StartAgain_EndsThePreviousSilently(string model)
    {
        var id = NextId();
        Assert.Equal(5, await StepAsync(model, id, 5, isStart: true));
        Assert.Equal(7, await StepAsync(model, id, 7, isStart: true));
        Assert.Equal(8 + (model == "sequence_oldest" ? id : 0), await StepAsync(model, id, 1, isEnd: true));
    }

    [Fact]
    public async Task S3_5_StartAndEnd_InOneRequest_AreAWholeSequence()
    {
        var id = NextId();
        Assert.Equal(4 + id, await StepAsync("sequence_oldest", id, 4, isStart: true, isEnd: true));
        Assert.Equal(5 + id, await StepAsync("sequence_oldest", id, 5, isStart: true, isEnd: true));
    }

    [Fact]
    public async Task S1_3_IdType_MustBeTheControls()
    {
        var (code, text) = await target.FailAsync("ModelInfer", Named("sequence_oldest", "text", 1, isStart: true));
        Assert.Equal(InferenceCode.InvalidArgument, code);
        Expected.Text("*sequence batching control 'CORRID' data-type is 'BYTES', but model 'sequence_oldest' expects 'UINT64'", text);
        (code, text) = await target.FailAsync("ModelInfer", Step("sequence_named", NextId(), 1, isStart: true));
        Assert.Equal(InferenceCode.InvalidArgument, code);
        Expected.Text("*sequence batching control 'CORRID' data-type is 'UINT64', but model 'sequence_named' expects 'BYTES'", text);
    }

    [Fact]
    public async Task S3_5_NamedId_IsOneOfItsOwn()
    {
        var id = $"{NextId()}";
        Assert.Equal(2, Value(await InferAsync(Named("sequence_direct", id, 2, isStart: true))));
        Assert.Equal(9, await StepAsync("sequence_direct", long.Parse(id, System.Globalization.CultureInfo.InvariantCulture), 9, isStart: true, isEnd: true));
        Assert.Equal(3, Value(await InferAsync(Named("sequence_direct", id, 1, isStart: false).With("sequence_end", new InferParameter { BoolParam = true }))));
    }

    [Fact]
    public async Task S3_5_Backlog_WaitsForASlotAndTimesOut()
    {
        var (first, second, third) = (NextId(), NextId(), NextId());
        await StepAsync("sequence_single", first, 1, isStart: true);
        var waiting = StepAsync("sequence_single", second, 2, isStart: true, isEnd: true);
        var (code, text) = await target.FailAsync(
            "ModelInfer", Step("sequence_single", third, 3, isStart: true).With("timeout", new InferParameter { Int64Param = 1000 }));
        Assert.Equal(InferenceCode.Unavailable, code);
        Expected.Text("*timeout of the corresponding sequence has been expired", text);
        await StepAsync("sequence_single", first, 1, isEnd: true);
        Assert.Equal(2, await waiting);
    }

    [Fact]
    public async Task S3_5_Idle_TooLong_FreesTheSlot()
    {
        var (first, second) = (NextId(), NextId());
        await StepAsync("sequence_single", first, 1, isStart: true);

        // Nobody ends the first one; the second gets its slot after the idle time.
        Assert.Equal(2, await StepAsync("sequence_single", second, 2, isStart: true, isEnd: true));
        var (_, text) = await target.FailAsync("ModelInfer", Step("sequence_single", first, 1));
        Assert.EndsWith(StartNeeded, text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task S3_5_Controls_AreNotInputsOfClients()
    {
        var metadata = await target.Grpc.GetModelMetadataAsync("sequence_oldest");
        Assert.Equal(["INPUT"], metadata.Inputs.Select(input => input.Name));
    }

    [Fact]
    public async Task S3_2_Defaults_AreReadFromTheConfiguration()
    {
        var config = await target.Grpc.GetModelConfigAsync("sequence_rescheduling");
        Assert.Equal(1_000_000ul, config.SequenceBatching.MaxSequenceIdleMicroseconds);
        Assert.Equal(1, config.SequenceBatching.Oldest.MaxCandidateSequences);
        Assert.Equal([1], config.SequenceBatching.Oldest.PreferredBatchSize);
    }

    [Fact]
    public async Task S3_5_Iterative_NeedsNoId_AndRunsTheRequestAgain()
    {
        var answer = await target.PostAsync("/v2/models/sequence_iterative/generate_stream", """{"INPUT":3}""");
        Assert.Equal(["2", "1", "0"], answer.Text.Split("\"OUTPUT\":").Skip(1).Select(part => part[..1]));
    }

    [Fact]
    public async Task S3_5_Reschedule_WithoutIterative_IsAnError()
    {
        var answer = await target.PostAsync(
            "/v2/models/sequence_rescheduling/generate_stream", """{"INPUT":2,"sequence_id":9,"sequence_start":true}""");
        Assert.Contains("Request is released with TRITONSERVER_REQUEST_RELEASE_RESCHEDULE", answer.Text, StringComparison.Ordinal);
    }

    private static long NextId() => Interlocked.Increment(ref _lastId);

    private static ModelInferRequest Step(string model, long id, int value, bool isStart = false, bool isEnd = false) =>
        Valued(model, value, isStart).With("sequence_id", new InferParameter { Int64Param = id })
            .With("sequence_end", new InferParameter { BoolParam = isEnd });

    private static ModelInferRequest Named(string model, string id, int value, bool isStart) =>
        Valued(model, value, isStart).With("sequence_id", new InferParameter { StringParam = id });

    private static ModelInferRequest Valued(string model, int value, bool isStart) =>
        Infer(model, (Tensor("INPUT", "INT32", 1, 1), Bytes<int>(value))).With("sequence_start", new InferParameter { BoolParam = isStart });

    private static int Value(ModelInferResponse response) => BitConverter.ToInt32(response.RawOutputContents[0].Span);

    private async Task<long> StepAsync(string model, long id, int value, bool isStart = false, bool isEnd = false) =>
        Value(await InferAsync(Step(model, id, value, isStart, isEnd)));

    private Task<ModelInferResponse> InferAsync(ModelInferRequest request) => target.CallAsync<ModelInferResponse>("ModelInfer", request);
}
