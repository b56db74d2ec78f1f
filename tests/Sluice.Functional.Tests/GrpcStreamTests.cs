using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Codec;
using static Sluice.Functional.Tests.Infrastructure.SampleRequests;

namespace Sluice.Functional.Tests;

/// <summary>What <c>ModelStreamInfer</c> promises (spec §1.7), with decoupled and ordinary models.</summary>
[Collection(ServerGroup.Name)]
public sealed class GrpcStreamTests(ServerFixture server) : IDisposable
{
    private static readonly CallOptions WithStatuses = new() { Metadata = new RpcMetadata { { "triton_grpc_error", "true" } } };

    private readonly SluiceClient _client = new(server.GrpcAddress);

    public void Dispose()
    {
        _client.Dispose();
        server.ExpectNoErrors();
    }

    [Fact]
    public async Task Decoupled_AnyNumberOfResponses_ComeAsTheModelMakesThem()
    {
        await using var stream = _client.OpenInferStream();
        await stream.WriteAsync(Repeat("a", [5, 6, 7]));
        Assert.Equal(["a:5", "a:6", "a:7"], await NextAsync(stream, 3));
        await stream.WriteAsync(Repeat("b", []));
        await stream.WriteAsync(Square("c", 2));
        Assert.Equal(["c:2", "c:2"], await NextAsync(stream, 2));
        stream.Complete();
        Assert.Null(await NextAsync(stream));
    }

    [Fact]
    public async Task EmptyFinal_OnlyForWhoAskedForIt_NamesTheModel()
    {
        await using var stream = _client.OpenInferStream();
        await stream.WriteAsync(Repeat("a", [5], wantsEmptyFinal: true));
        Assert.Equal("a:5", await NextAsync(stream));
        using (var final = await stream.ReadAsync())
        {
            Assert.Equal(("repeat_int32", "1", "a", 0), (final!.ModelName, final.ModelVersion, final.Id, final.OutputCount));
            Assert.True(final.Parameters["triton_final_response"].BoolParam);
        }

        await stream.WriteAsync(Repeat("b", [], wantsEmptyFinal: true));
        Assert.Equal("b:none!", await NextAsync(stream));
        stream.Complete();
        Assert.Null(await NextAsync(stream));
    }

    [Fact]
    public async Task FinalWithData_CountsAsFinal()
    {
        await using var stream = _client.OpenInferStream();
        await stream.WriteAsync(new InferRequestMessage
        {
            ModelName = "countdown",
            Id = "c",
            Inputs = [InferInput.Create<int>("INPUT", [2], 1)],
        });
        Assert.Equal(["c:other", "c:other!"], await NextAsync(stream, 2));
        await stream.WriteAsync(Floats("identity_decoupled", "i", [1, 2], 2));
        Assert.Equal("i:other!", await NextAsync(stream));
        await stream.WriteAsync(Floats("wide", "w", [1, 2], 2));
        Assert.Equal("w:other!", await NextAsync(stream));
        await stream.WriteAsync(Floats("identity_batch", "b", [1, 2], 1, 2));
        Assert.Equal("b:other!", await NextAsync(stream));
    }

    [Fact]
    public async Task Decoupled_ManyAtOnce_DoNotWaitForEachOther()
    {
        await using var stream = _client.OpenInferStream();
        await stream.WriteAsync(Repeat("slow", [1, 2], [0, Forever]));
        Assert.Equal("slow:1", await NextAsync(stream));
        await stream.WriteAsync(Repeat("quick", [3, 4]));
        Assert.Equal(["quick:3", "quick:4"], await NextAsync(stream, 2));

        // An ordinary model is not held up by a decoupled one before it.
        await stream.WriteAsync(Floats("wide", "ordinary", [1], 1));
        Assert.Equal("ordinary:other!", await NextAsync(stream));
    }

    [Fact]
    public async Task Ordinary_AnswersLeaveInTheOrderOfTheRequests()
    {
        await using var stream = _client.OpenInferStream();
        await stream.WriteAsync(new InferRequestMessage
        {
            ModelName = "slow",
            Id = "0",
            Inputs = [InferInput.Create<long>("STEPS", [200_000])],
        });
        for (var i = 1; i < 50; i++)
            await stream.WriteAsync(i % 7 == 0 ? Floats("nobody", $"{i}", [1], 1) : Floats("wide", $"{i}", [i], 1));
        var answers = await NextAsync(stream, 50);
        Assert.Equal(Enumerable.Range(0, 50).Select(i => $"{i}"), answers.Select(answer => answer.Split(':')[0]));
        Assert.Equal("7:Request for unknown model: 'nobody' is not found?", answers[7]);
    }

    [Fact]
    public async Task Refusal_OfADecoupledModel_ComesAtOnceAndTheStreamGoesOn()
    {
        await using var stream = _client.OpenInferStream();
        await stream.WriteAsync(Repeat("slow", [1], [Forever]));
        await stream.WriteAsync(new InferRequestMessage
        {
            ModelName = "repeat_int32",
            Id = "bad",
            Inputs = [InferInput.Create<float>("IN", [1], 1)],
        });
        Assert.Equal(
            "bad:[request id: bad] inference input 'IN' data-type is 'FP32', but model 'repeat_int32' expects 'INT32'?",
            await NextAsync(stream));
        await stream.WriteAsync(Repeat("good", [2]));
        Assert.Equal("good:2", await NextAsync(stream));
    }

    [Fact]
    public async Task Failure_OfTheModelInTheMiddle_IsAnAnswerLikeOthers()
    {
        await using var stream = _client.OpenInferStream();
        await stream.WriteAsync(Square("f", 5, "square_faulty", wantsEmptyFinal: true));
        Assert.Equal(
            ["f:5", "f:5", "f:simulated failure", "f:simulated failure", "f:none!"], await NextAsync(stream, 5));
        await stream.WriteAsync(Square("g", 1));
        Assert.Equal("g:1", await NextAsync(stream));
    }

    [Fact]
    public async Task WithStatuses_FirstFailureOfAModel_EndsTheStreamAndCancelsTheRest()
    {
        var before = await CancelledAsync("repeat_int32");
        await using var stream = _client.OpenInferStream(WithStatuses);
        await stream.WriteAsync(Floats("nobody", "a", [1], 1));
        Assert.Equal("a:Request for unknown model: 'nobody' is not found?", await NextAsync(stream));
        await stream.WriteAsync(Repeat("r", [1, 2], [0, Forever]));
        Assert.Equal("r:1", await NextAsync(stream));
        await stream.WriteAsync(Square("s", 4, "square_faulty"));
        Assert.Equal("s:4", await NextAsync(stream));
        var failure = await Assert.ThrowsAsync<SluiceException>(() => NextAsync(stream));
        Assert.Equal((InferenceCode.Unknown, "simulated failure"), (failure.Code, failure.Message));
        await Eventually.TrueAsync(() => CancelledAsync("repeat_int32").Result > before, () => "the other request was not cancelled");
    }

    [Fact]
    public async Task WithStatuses_FailureOfAnOrdinaryModel_EndsTheStream()
    {
        await using var stream = _client.OpenInferStream(WithStatuses);
        await stream.WriteAsync(Repeat("r", [1, 2, 3], model: "repeat_once"));
        var failure = await Assert.ThrowsAsync<SluiceException>(() => NextAsync(stream));
        Assert.Equal((InferenceCode.Internal, "expected a single response, got 3"), (failure.Code, failure.Message));
    }

    [Fact]
    public async Task HalfClose_FinishesWhatIsUnderWay()
    {
        await using var stream = _client.OpenInferStream();
        await stream.WriteAsync(Repeat("a", [1, 2, 3], [20, 20, 20]));
        await stream.WriteAsync(Floats("wide", "w", [1], 1));
        stream.Complete();
        Assert.Equal(["a:1", "a:2", "a:3", "w:other!"], (await RestAsync(stream)).Order());
    }

    [Fact]
    public async Task HalfClose_DoesNotWaitForAnInstanceThatIsBusyLonger()
    {
        await using var stream = _client.OpenInferStream(new CallOptions { Timeout = ServerFixture.Patience });
        await stream.WriteAsync(Repeat("a", [1], wait: 2000));
        stream.Complete();
        Assert.Equal(["a:1"], await RestAsync(stream));
    }

    [Fact]
    public async Task Cancel_OfTheStream_CancelsEveryRequestOfIt()
    {
        var before = await CancelledAsync("repeat_int32");
        var stream = _client.OpenInferStream();
        for (var i = 0; i < 10; i++)
            await stream.WriteAsync(Repeat($"{i}", [1, 2], [0, Forever]));
        await NextAsync(stream, 10);
        await stream.DisposeAsync();
        await Eventually.TrueAsync(
            () => CancelledAsync("repeat_int32").Result >= before + 10, () => "not all requests were cancelled");
    }

    [Fact]
    public async Task Deadline_OfTheStream_EndsWhatIsUnderWay()
    {
        await using var stream = _client.OpenInferStream(new CallOptions { Timeout = TimeSpan.FromSeconds(3) });
        await stream.WriteAsync(Repeat("a", [1, 2], [0, Forever]));
        Assert.Equal("a:1", await NextAsync(stream));
        var failure = await Assert.ThrowsAsync<SluiceException>(() => NextAsync(stream));
        Assert.Equal(InferenceCode.DeadlineExceeded, failure.Code);
        await Eventually.TrueAsync(() => server.Host.ActiveCount == 0, () => $"{server.Host.ActiveCount} calls are still served");
    }

    [Fact]
    public async Task Unary_DecoupledModel_IsUnimplemented()
    {
        var failure = await Assert.ThrowsAsync<SluiceException>(() => _client.InferAsync(Square("a", 1)));
        Assert.Equal(
            (InferenceCode.Unimplemented, "ModelInfer RPC doesn't support models with decoupled transaction policy"),
            (failure.Code, failure.Message));
        using var http = new HttpInference(server.Host.HttpAddress!);
        Assert.Equal(
            (501, "HTTP end point doesn't support models with decoupled transaction policy"),
            await http.FailAsync("square_int32", """{"inputs":[{"name":"IN","shape":[1],"datatype":"INT32","data":[1]}]}"""));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public async Task Unary_OrdinaryModelWithoutASingleResponse_IsInternal(int count)
    {
        var request = Repeat("a", new int[count], model: "repeat_once");
        var failure = await Assert.ThrowsAsync<SluiceException>(() => _client.InferAsync(request));
        Assert.Equal(
            (InferenceCode.Internal, $"expected a single response, got {count}"), (failure.Code, failure.Message));
        using var result = await _client.InferAsync(Repeat("a", [9], model: "repeat_once"));
        Assert.Equal([9], result.GetSpan<int>("OUT").ToArray());
    }

    [Fact]
    public async Task Parameters_OfTheModelsResponse_ReachTheClient()
    {
        using var result = await _client.InferAsync(Floats("identity_batch", "p", [1], 1, 1));
        Assert.Equal("an example string parameter", result.Parameters["param0"].StringParam);
        Assert.Equal(42, result.Parameters["param1"].Int64Param);
        Assert.False(result.Parameters["param2"].BoolParam);
        Assert.Equal(123.123, result.Parameters["param3"].DoubleParam);
        await using var stream = _client.OpenInferStream();
        await stream.WriteAsync(Floats("identity_decoupled", "p", [1], 1));
        using var streamed = await stream.ReadAsync();
        Assert.Equal(42, streamed!.Parameters["param1"].Int64Param);
        Assert.True(streamed.Parameters["triton_final_response"].BoolParam);
        using var http = new HttpInference(server.Host.HttpAddress!);
        using var content = new StringContent("""{"inputs":[{"name":"INPUT0","shape":[1,1],"datatype":"FP32","data":[1]}]}""");
        using var response = await http.Client.PostAsync("/v2/models/identity_batch/infer", content);
        Assert.Contains(
            "\"parameters\":{\"param0\":\"an example string parameter\",\"param1\":42,\"param2\":false,\"param3\":123.123}",
            await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Statistics_OfADecoupledModel_HaveRowsByResponse()
    {
        var before = await RowsAsync("square_faulty");
        await using var stream = _client.OpenInferStream();
        await stream.WriteAsync(Square("s", 4, "square_faulty", wantsEmptyFinal: true));
        await NextAsync(stream, 4);
        await Eventually.TrueAsync(() => RowsAsync("square_faulty").Result[3].Empty > before[3].Empty, () => "nothing was counted");
        var after = await RowsAsync("square_faulty");
        Assert.Equal(before[0] with { Success = before[0].Success + 1 }, after[0]);
        Assert.Equal(before[1] with { Fail = before[1].Fail + 1 }, after[1]);
        Assert.Equal(before[2] with { Fail = before[2].Fail + 1 }, after[2]);
        Assert.Equal(before[3] with { Empty = before[3].Empty + 1 }, after[3]);
        using var http = new HttpInference(server.Host.HttpAddress!);
        var row = (await http.GetAsync("/v2/models/square_faulty/stats")).GetProperty("model_stats")[0]
            .GetProperty("response_stats").GetProperty("3").GetProperty("empty_response");
        Assert.Equal(after[3].Empty, row.GetProperty("count").GetInt64());
    }

    /// <summary>The first request has one response that nobody waits for, so a reader who stops holds up the server there.</summary>
    [Theory]
    [InlineData("wide")]
    [InlineData("identity_decoupled")]
    public async Task SlowReader_KeepsTheServersMemoryBounded(string model)
    {
        const int Count = 320;
        const long MostBytes = 224L * 1024 * 1024;
        var data = new float[256 * 1024];
        var before = server.Host.Pool.RentedBytes;
        var stream = _client.OpenInferStream(new CallOptions { Timeout = TimeSpan.FromMinutes(2) });
        var writing = Task.Run(async () =>
        {
            for (var i = 0; i < Count; i++)
                await stream.WriteAsync(Floats(model, $"{i}", data, data.Length));
            stream.Complete();
        });
        long most = 0;
        for (var (last, still, left) = (0L, 0, 1500); still < 20 && left > 0; left--)
        {
            await Task.Delay(20);
            var now = server.Host.Pool.RentedBytes - before;
            most = Math.Max(most, now);
            still = now == last && now > 0 ? still + 1 : 0;
            last = now;
        }

        Assert.False(writing.IsCompleted, "the server took everything though nobody read");
        Assert.True(most < MostBytes, $"{most} bytes were rented");
        Assert.Equal(Count, (await RestAsync(stream)).Count);
        await writing;
        await stream.DisposeAsync();
    }

    [Fact]
    public async Task SlowReader_WhoLeaves_FreesEverything()
    {
        var data = new float[256 * 1024];
        await server.ExpectNoLeakAsync(async () =>
        {
            var stream = _client.OpenInferStream();
            await stream.WriteAsync(Floats("wide", "first", data, data.Length));
            for (var i = 0; i < 40; i++)
                await stream.WriteAsync(Floats("wide", $"{i}", data, data.Length)).AsTask().WaitAsync(ServerFixture.Patience);
            await stream.DisposeAsync();
            await Eventually.TrueAsync(() => server.Host.ActiveCount == 0, () => "the call is still served");
        });
    }

    /// <summary>No status can reach such a reader, so the server resets the stream.</summary>
    [Fact]
    public async Task SlowReader_WhoseTimeIsOver_FreesEverything()
    {
        using var invoker = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false, EnableMultipleHttp2Connections = true });
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server.GrpcAddress, RawCaller.StreamPath))
        {
            Version = System.Net.HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(RawCaller.Frame(RawCaller.Message(Square("s", int.MaxValue)))),
        };
        request.Content.Headers.ContentType = new("application/grpc");
        request.Headers.TryAddWithoutValidation("grpc-timeout", "1500m");
        using var response = await invoker.SendAsync(request, CancellationToken.None);
        Assert.Equal(1, server.Host.ActiveCount);
        await Eventually.TrueAsync(() => server.Host.ActiveCount == 0, () => "the call is still served");
        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            await using var body = await response.Content.ReadAsStreamAsync();
            await body.CopyToAsync(Stream.Null);
        });
    }

    private async Task<long> CancelledAsync(string model) => (await _client.GetModelStatisticsAsync(model))[0]
        .ResponseStats.Values.Sum(row => (long)row.Cancel.Count);

    private async Task<Row[]> RowsAsync(string model)
    {
        var rows = (await _client.GetModelStatisticsAsync(model))[0].ResponseStats;
        return [.. Enumerable.Range(0, 4).Select(i => rows.TryGetValue($"{i}", out var row)
            ? new Row((long)row.Success.Count, (long)row.Fail.Count, (long)row.EmptyResponse.Count)
            : new Row(0, 0, 0))];
    }

    private sealed record Row(long Success, long Fail, long Empty);
}
