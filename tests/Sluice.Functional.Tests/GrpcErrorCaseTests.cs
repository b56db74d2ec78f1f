using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Codec;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Functional.Tests;

/// <summary>Requests that are whole messages and still wrong: the golden set's error cases and more of the kind.</summary>
[Collection(ServerGroup.Name)]
public sealed class GrpcErrorCaseTests(ServerFixture server) : IDisposable
{
    /// <summary>By the words of the golden set's <c>error_cases</c>, then our own.</summary>
    private static readonly Dictionary<string, InferRequestMessage> Cases = new()
    {
        ["INPUT0 of shape [1,15]"] = AddSub(Ints("INPUT0", 15, 1, 15), Ints("INPUT1", 16, 1, 16)),
        ["INPUT1 missing"] = AddSub(Ints("INPUT0", 16, 1, 16)),
        ["INPUT0 as FP32"] = AddSub(InferInput.Create<float>("INPUT0", new float[16], 1, 16), Ints("INPUT1", 16, 1, 16)),
        ["unknown extra input INPUT2"] =
            AddSub(Ints("INPUT0", 16, 1, 16), Ints("INPUT1", 16, 1, 16), Ints("INPUT2", 16, 1, 16)),
        ["batch 9 (max_batch_size 8)"] = AddSub(Ints("INPUT0", 144, 9, 16), Ints("INPUT1", 144, 9, 16)),
        ["INPUT0 batch 2 with INPUT1 batch 3"] = AddSub(Ints("INPUT0", 32, 2, 16), Ints("INPUT1", 48, 3, 16)),
        ["data with 15 elements for shape [1,16]"] = AddSub(Ints("INPUT0", 15, 1, 16), Ints("INPUT1", 16, 1, 16)),
        ["requested output OUTPUT9"] = new InferRequestMessage
        {
            ModelName = "add_sub_int32",
            Inputs = [Ints("INPUT0", 16, 1, 16), Ints("INPUT1", 16, 1, 16)],
            Outputs = ["OUTPUT9"],
        },
        ["shape [2,5]"] = new InferRequestMessage
        {
            ModelName = "non_batchable",
            Inputs = [InferInput.Create<float>("x", new float[10], 2, 5)],
        },
        ["2^63 elements"] = AddSub(
            InferInput.WrapRaw("INPUT0", DataType.Int32, new byte[64], 1L << 32, 1L << 31), Ints("INPUT1", 16, 1, 16)),
        ["2^64 bytes"] = Wide(1L << 62),
        ["a negative dimension"] = Wide(-1),
        ["no dimension"] = AddSub(Ints("INPUT0", 1), Ints("INPUT1", 16, 1, 16)),
        ["the same input twice"] = AddSub(Ints("INPUT0", 16, 1, 16), Ints("INPUT0", 16, 1, 16)),
        ["an empty name"] = AddSub(Ints("", 16, 1, 16), Ints("INPUT1", 16, 1, 16)),
        ["no inputs"] = AddSub(),
        ["a text whose length lies"] = Texts([0xFF, 0xFF, 0xFF, 0x7F, 1, 2, 3]),
        ["a text cut off within its length"] = Texts([1, 0]),
    };

    private readonly SluiceClient _client = new(server.GrpcAddress);

    public static TheoryData<string, bool> Names()
    {
        var data = new TheoryData<string, bool>();
        foreach (var name in Cases.Keys)
        {
            data.Add(name, false);
            data.Add(name, true);
        }

        return data;
    }

    public void Dispose()
    {
        _client.Dispose();
        server.ExpectNoErrors();
    }

    [Fact]
    public void Cases_OfTheGoldenSet_AreAllHere()
    {
        foreach (var name in GoldenSet.Names("onnx", model => model.ErrorAt != "load"))
        {
            var about = GoldenSet.Read("onnx", name).About;
            if (!about.TryGetProperty("error_cases", out var cases) || cases.ValueKind != System.Text.Json.JsonValueKind.Array)
                continue;
            foreach (var entry in cases.EnumerateArray())
                Assert.Contains(entry.GetProperty("what").GetString()!, Cases.Keys);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Infer_BadRequest_IsInvalidArgument(string name, bool isOnStream)
    {
        var request = Cases[name];
        if (isOnStream)
        {
            await using var stream = _client.OpenInferStream(new CallOptions { Timeout = ServerFixture.Patience });
            await stream.WriteAsync(request);
            await stream.WriteAsync(AddSub(Ints("INPUT0", 16, 1, 16), Ints("INPUT1", 16, 1, 16)));
            stream.Complete();
            using var failed = await stream.ReadAsync();
            Assert.False(string.IsNullOrEmpty(failed!.Error));
            using var good = await stream.ReadAsync();
            Assert.Null(good!.Error);
            Assert.Null(await stream.ReadAsync());
            return;
        }

        var failure = await Assert.ThrowsAsync<SluiceException>(() => _client.InferAsync(request));
        Assert.Equal(InferenceCode.InvalidArgument, failure.Code);
        Assert.NotEmpty(failure.Message);
    }

    [Fact]
    public async Task Infer_UnknownModel_IsNotFoundWithItsNameDecoded()
    {
        var failure = await Assert.ThrowsAsync<SluiceException>(() => _client.InferAsync(new InferRequestMessage
        {
            ModelName = "größe-模型-%41",
            Inputs = [],
        }));
        Assert.Equal(InferenceCode.NotFound, failure.Code);
        Assert.Equal("Request for unknown model: 'größe-模型-%41' is not found", failure.Message);
    }

    private static InferRequestMessage AddSub(params IReadOnlyList<InferInput> inputs) =>
        new() { ModelName = "add_sub_int32", Inputs = inputs };

    private static InferRequestMessage Wide(long dimension) => new()
    {
        ModelName = "wide",
        Inputs = [InferInput.WrapRaw("INPUT0", DataType.Fp32, new byte[16], dimension)],
    };

    private static InferRequestMessage Texts(byte[] data) => new()
    {
        ModelName = "string_identity",
        Inputs = [InferInput.WrapRaw("INPUT0", DataType.Bytes, data, 1, 4)],
    };

    private static InferInput Ints(string name, int count, params ReadOnlySpan<long> shape) =>
        InferInput.Create<int>(name, new int[count], shape);
}
