using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Codec;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Functional.Tests;

/// <summary>Every golden ONNX model over gRPC, in raw and in typed contents, on unary calls and on a stream.</summary>
[Collection(ServerGroup.Name)]
public sealed class GrpcGoldenTests(ServerFixture server) : IDisposable
{
    // Its cases name tensors that the server fills; SequenceTests asks it.
    private static readonly string[] Elsewhere = ["sequence_accumulate"];

    private readonly SluiceClient _client = new(server.GrpcAddress);

    public static TheoryData<string, bool> Models()
    {
        var data = new TheoryData<string, bool>();
        foreach (var name in GoldenSet.Names("onnx", model => model.ErrorAt != "load" && !Elsewhere.Contains(model.Name)))
        {
            data.Add(name, false);
            if (GoldenSet.Read("onnx", name).Cases.All(GoldenRequests.CanBeTyped))
                data.Add(name, true);
        }

        return data;
    }

    public static TheoryData<string> BadModels() =>
        [.. GoldenSet.Names("onnx", model => model.ErrorAt == "load")];

    public void Dispose()
    {
        _client.Dispose();
        server.ExpectNoErrors();
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task Infer_GoldenCase_GivesGoldenAnswer(string name, bool isTyped)
    {
        var model = GoldenSet.Read("onnx", name);
        var maxRows = (await _client.GetModelConfigAsync(name)).MaxBatchSize;
        foreach (var golden in model.Cases.SelectMany(golden => GoldenRequests.Split(golden, maxRows)))
        {
            using var result = await _client.InferAsync(GoldenRequests.ToRequest(name, golden, isTyped));
            Assert.Equal(name, result.ModelName);
            Assert.Equal("1", result.ModelVersion);
            Assert.Equal(golden.Name, result.Id);
            Compare(model, golden, result);
        }
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task Stream_GoldenCases_GiveGoldenAnswersInOrder(string name, bool isTyped)
    {
        var model = GoldenSet.Read("onnx", name);
        var maxRows = (await _client.GetModelConfigAsync(name)).MaxBatchSize;
        var cases = model.Cases.SelectMany(golden => GoldenRequests.Split(golden, maxRows)).ToList();
        await using var stream = _client.OpenInferStream(new CallOptions { Timeout = ServerFixture.Patience });
        foreach (var golden in cases)
            await stream.WriteAsync(GoldenRequests.ToRequest(name, golden, isTyped));
        stream.Complete();
        foreach (var golden in cases)
        {
            using var result = await stream.ReadAsync();
            Assert.NotNull(result);
            Assert.Null(result.Error);
            Assert.Equal(golden.Name, result.Id);
            Assert.True(result.Parameters["triton_final_response"].BoolParam);
            Compare(model, golden, result);
        }

        Assert.Null(await stream.ReadAsync());
    }

    [Theory]
    [MemberData(nameof(BadModels))]
    public async Task Load_BadModel_IsUnavailableWithAReason(string name)
    {
        var entry = Assert.Single(await _client.GetRepositoryIndexAsync(), model => model.Name == name);
        Assert.Equal("UNAVAILABLE", entry.State);
        Assert.NotEmpty(entry.Reason);
        Assert.False(await _client.IsModelReadyAsync(name));
        var failure = await Assert.ThrowsAsync<SluiceException>(() => _client.InferAsync(
            new InferRequestMessage { ModelName = name, Inputs = [InferInput.Create<float>("x", [1], 1)] },
            new CallOptions { Retry = RetryPolicy.None }));
        Assert.Contains(failure.Code, new[] { InferenceCode.NotFound, InferenceCode.Unavailable });
        Assert.Contains(name, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Infer_ModelThatFailsAtRun_FailsThatRequestOnly()
    {
        var golden = GoldenSet.Read("onnx", "runtime_error_reshape").Cases[0];
        var bad = new InferRequestMessage
        {
            ModelName = "runtime_error_reshape",
            Inputs = [InferInput.Create<float>("x", [0, 1, 2, 3, 4, 5], 6), InferInput.Create<long>("s", [4, 2], 2)],
        };
        var failure = await Assert.ThrowsAsync<SluiceException>(() => _client.InferAsync(bad));
        Assert.NotEqual(InferenceCode.Unknown, failure.Code);
        Assert.NotEmpty(failure.Message);
        using var good = await _client.InferAsync(GoldenRequests.ToRequest("runtime_error_reshape", golden, isTyped: false));
        Assert.Equal([2L, 3L], good.GetShape("y").Dimensions.ToArray());
    }

    private static void Compare(GoldenModel model, GoldenCase golden, InferResult result)
    {
        Assert.Equal(golden.Outputs.Count, result.OutputCount);
        foreach (var expected in golden.Outputs)
        {
            var shape = result.GetShape(expected.Name);
            if (IsZeroTripHistory(model, expected, shape))
                continue;
            Assert.Null(model.ToleranceOf(expected).FindDifference(
                expected, result.GetDataType(expected.Name), shape, result.GetBytes(expected.Name)));
        }
    }

    /// <summary>A loop of no rounds gives <c>[0,0]</c> in ONNX Runtime and <c>[0,N]</c> by ONNX: both are right.</summary>
    private static bool IsZeroTripHistory(GoldenModel model, GoldenTensor expected, Shape shape) =>
        model.Name == "loop_model" && expected.Dims is [0, ..] && shape == Shape.Create([0, 0]);
}
