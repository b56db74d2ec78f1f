using System.Text;
using Google.Protobuf;
using Sluice.Conformance.Tests.Infrastructure;
using Sluice.Protocol.Inference;
using static Sluice.Conformance.Tests.Infrastructure.Requests;
using OutputMessage = Sluice.Protocol.Inference.ModelInferRequest.Types.InferRequestedOutputTensor;

namespace Sluice.Conformance.Tests;

/// <summary>Requests that succeed over gRPC (spec §0.1 to §0.4, §0.15, §0.16, §1.5).</summary>
[Collection(ConformanceGroup.Name)]
public sealed class InferenceTests(ConformanceTarget target)
{
    /// <summary>Two elements of each type: as raw bytes, and in the typed field where there is one.</summary>
    private static readonly Dictionary<string, (byte[] Raw, InferTensorContents? Contents)> Elements2 = new()
    {
        ["BOOL"] = ([1, 0], new() { BoolContents = { true, false } }),
        ["UINT8"] = ([1, 255], new() { UintContents = { 1, 255 } }),
        ["UINT16"] = (Bytes<ushort>(1, 65535), new() { UintContents = { 1, 65535 } }),
        ["UINT32"] = (Bytes<uint>(1, uint.MaxValue), new() { UintContents = { 1, uint.MaxValue } }),
        ["UINT64"] = (Bytes<ulong>(1, ulong.MaxValue), new() { Uint64Contents = { 1, ulong.MaxValue } }),
        ["INT8"] = (Bytes<sbyte>(1, -128), new() { IntContents = { 1, -128 } }),
        ["INT16"] = (Bytes<short>(1, -32768), new() { IntContents = { 1, -32768 } }),
        ["INT32"] = (Bytes<int>(1, int.MinValue), new() { IntContents = { 1, int.MinValue } }),
        ["INT64"] = (Bytes<long>(1, long.MinValue), new() { Int64Contents = { 1, long.MinValue } }),
        ["FP16"] = ([0, 0x3C, 0, 0xC0], null),
        ["BF16"] = ([0x80, 0x3F, 0, 0xC0], null),
        ["FP32"] = (Bytes<float>(1.5f, -2), new() { Fp32Contents = { 1.5f, -2 } }),
        ["FP64"] = (Bytes<double>(1.5, -2), new() { Fp64Contents = { 1.5, -2 } }),
        ["STRING"] = (Elements("", "grüße"), new() { BytesContents = { ByteString.Empty, ByteString.CopyFromUtf8("grüße") } }),
    };

    public static TheoryData<string> Types => [.. ConformanceModels.Types];

    [Theory]
    [MemberData(nameof(Types))]
    public async Task S1_5_DataType_RawAndTyped_ComeBackRaw(string type)
    {
        var index = Array.IndexOf(ConformanceModels.Types, type);
        var (raw, contents) = Elements2[type];
        var wire = type == "STRING" ? "BYTES" : type;
        await Check(Infer("types", (Tensor($"INPUT{index}", wire, 2), raw)));
        if (contents is not null)
            await Check(Typed("types", Tensor($"INPUT{index}", wire, 2).With(contents)));

        async Task Check(ModelInferRequest request)
        {
            var response = await InferAsync(request);
            var output = Assert.Single(response.Outputs);
            Assert.Equal(($"OUTPUT{index}", wire), (output.Name, output.Datatype));
            Assert.Equal([2], output.Shape);
            Assert.Null(output.Contents);
            Assert.Equal(raw, Assert.Single(response.RawOutputContents).ToByteArray());
        }
    }

    [Fact]
    public async Task S1_5_Response_EchoesTheIdAndNamesWhatServed()
    {
        var response = await InferAsync(Infer("simple", Good).Change(request => request.Id = "größe 7"));
        Assert.Equal(("größe 7", "simple", "1"), (response.Id, response.ModelName, response.ModelVersion));
        Assert.Equal("", (await InferAsync(Infer("simple", Good))).Id);
        Assert.Equal("3", (await InferAsync(Infer("versions", Floats("INPUT0", [1], 1)))).ModelVersion);
        Assert.Equal("1", (await InferAsync(Infer("versions", Floats("INPUT0", [1], 1)).Change(request => request.ModelVersion = "1"))).ModelVersion);
    }

    [Fact]
    public async Task S1_5_Outputs_AllWithoutAWish_OtherwiseTheWantedOnes()
    {
        var all = await InferAsync(Infer("simple", Good));
        Assert.Equal(["OUTPUT0", "OUTPUT1"], all.Outputs.Select(output => output.Name));
        Assert.Equal(2, all.RawOutputContents.Count);
        var one = await InferAsync(Infer("simple", Good).Asking("OUTPUT1"));
        Assert.Equal("OUTPUT1", Assert.Single(one.Outputs).Name);
        Assert.Single(one.RawOutputContents);
    }

    [Fact]
    public async Task S1_5_ZeroElements_AreLegal()
    {
        var response = await InferAsync(Infer("plain", Ints("INPUT0", 0, 2, 0)));
        Assert.Equal([2, 0], Assert.Single(response.Outputs).Shape);
        Assert.Equal(0, Assert.Single(response.RawOutputContents).Length);
    }

    [Fact]
    public async Task S1_3_CustomParameters_OfTheAllowedTypes_AreAccepted()
    {
        var request = Infer("simple", Good).With("a", new InferParameter { StringParam = "x" }).With("b", new InferParameter { DoubleParam = 1 })
            .With("c", new InferParameter { BoolParam = true }).With("d", new InferParameter { Int64Param = 1 })
            .With("timeout", new InferParameter { Int64Param = 1_000_000 }).With("priority", new InferParameter { Uint64Param = 1 });
        Assert.Equal(2, (await InferAsync(request)).Outputs.Count);
    }

    [Fact]
    public async Task S0_16_Classification_HasValueIndexAndLabel()
    {
        var wanted = new OutputMessage { Name = "OUTPUT0" };
        wanted.Parameters["classification"] = new InferParameter { Int64Param = 2 };
        var request = Infer("classes", Floats("INPUT0", [0.25f, 0.75f, -1, 3, 2, 10], 2, 3)).Asking(wanted);
        var response = await InferAsync(request);
        var output = Assert.Single(response.Outputs);
        Assert.Equal("BYTES", output.Datatype);
        Assert.Equal([2, 2], output.Shape);
        Assert.Equal(
            Elements("0.750000:1:b", "0.250000:0:a", "10.000000:2", "3.000000:0:a"), Assert.Single(response.RawOutputContents).ToByteArray());
    }

    [Fact]
    public async Task S1_5_Classification_OfMoreThanThereAre_GivesAll()
    {
        var wanted = new OutputMessage { Name = "OUTPUT0" };
        wanted.Parameters["classification"] = new InferParameter { Int64Param = 99 };
        var response = await InferAsync(Infer("classes", Floats("INPUT0", [1, 2, 3], 1, 3)).Asking(wanted));
        Assert.Equal([1, 3], Assert.Single(response.Outputs).Shape);
        Assert.StartsWith("3.000000:2", Encoding.UTF8.GetString(response.RawOutputContents[0].Span[4..]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task S0_4_ModelReady_UnknownOrUnloaded_IsFalseAndNoError()
    {
        Assert.True(await target.Grpc.IsModelReadyAsync("simple"));
        Assert.True(await target.Grpc.IsModelReadyAsync("simple", "1"));
        Assert.False(await target.Grpc.IsModelReadyAsync("nobody"));
        Assert.False(await target.Grpc.IsModelReadyAsync("simple", "7"));
        Assert.False(await target.Grpc.IsModelReadyAsync("spare"));
    }

    private Task<ModelInferResponse> InferAsync(ModelInferRequest request) => target.CallAsync<ModelInferResponse>("ModelInfer", request);
}
