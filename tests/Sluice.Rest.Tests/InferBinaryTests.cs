using System.Globalization;
using System.Text.Json;
using Sluice.Protocol.Inference;
using Sluice.Rest.Tests.Fakes;
using Sluice.Tensors;

namespace Sluice.Rest.Tests;

public sealed class InferBinaryTests(RestFixture server) : IClassFixture<RestFixture>
{
    private const string HeaderName = "Inference-Header-Content-Length";

    [Fact]
    public async Task Infer_BinaryInAndOut_KeepsOrderAndBytes()
    {
        var json = $$"""{"parameters":{"binary_data_output":true},"inputs":[{{Input("FP16", 2, 4)}},{"name":"IN_INT8","shape":[1],"datatype":"INT8","data":[7]},{{Input("BF16", 1, 2)}}]}""";

        using var response = await server.InferBinaryAsync(json, [1, 2, 3, 4, 5, 6]);
        var (head, rest) = await SplitAsync(response);

        Assert.Equal("application/octet-stream", response.Content.Headers.ContentType!.MediaType);
        Assert.Equal([7, 1, 2, 3, 4, 5, 6], rest);
        Assert.Equal(
            ["OUT_INT8", "OUT_FP16", "OUT_BF16"],
            head.GetProperty("outputs").EnumerateArray().Select(output => output.GetProperty("name").GetString()));
        Assert.Equal(4, head.GetProperty("outputs")[1].GetProperty("parameters").GetProperty("binary_data_size").GetInt32());
    }

    [Fact]
    public async Task Infer_RequestedOutputs_DecideOneByOne()
    {
        // The request's default does not count for outputs that are listed (spec §2.3).
        var json = $$$"""{"parameters":{"binary_data_output":true},"inputs":[{{{Input("INT16", 1, 2)}}},{{{Input("UINT8", 1, 1)}}}],"outputs":[{"name":"OUT_UINT8","parameters":{"binary_data":true}},{"name":"OUT_INT16"}]}""";

        using var response = await server.InferBinaryAsync(json, [2, 1, 9]);
        var (head, rest) = await SplitAsync(response);

        Assert.Equal([9], rest);
        var int16 = head.GetProperty("outputs").EnumerateArray().Single(o => o.GetProperty("name").GetString() == "OUT_INT16");
        Assert.Equal(258, int16.GetProperty("data")[0].GetInt32());
    }

    [Fact]
    public async Task Infer_HalfPrecisionAsJson_IsRefused()
    {
        using var response = await server.InferBinaryAsync($$"""{"inputs":[{{Input("FP16", 1, 2)}}]}""", [0, 0]);

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Contains(
            "sending FP16 data via JSON is not supported. Please use the binary data format for output 'OUT_FP16'",
            await response.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData(8, null, "unexpected additional input data for model 'echo'")]
    [InlineData(3, null, "unexpected size for input 'IN_INT32', expecting 4 bytes for model 'echo'")]
    [InlineData(4, 100_000, "but the body has")]
    [InlineData(4, 5, "failed to parse")]
    public async Task Infer_LyingLengths_AreRefused(int byteCount, int? headerLength, string text)
    {
        using var response = await server.InferBinaryAsync(
            $$"""{"inputs":[{{Input("INT32", 1, 4)}}]}""", new byte[byteCount], headerLength);

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Contains(text, await response.Content.ReadAsStringAsync());
        Assert.Equal(0, server.RentedBytes);
    }

    [Fact]
    public async Task Infer_SizeThatDisagreesWithTheShape_IsRefusedByTheCore()
    {
        using var response = await server.InferBinaryAsync($$"""{"inputs":[{{Input("INT32", 2, 4)}}]}""", new byte[4]);

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Contains("input byte size mismatch", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Infer_LargeTensor_LiesAlignedInNativeMemory()
    {
        var bytes = new byte[400_000];
        Random.Shared.NextBytes(bytes);
        var isAligned = false;
        server.Engine.OnInfer = request =>
        {
            isAligned = IsAligned(request.Inputs[0].Data.First);
            return ValueTask.CompletedTask;
        };

        using var response = await server.InferBinaryAsync(
            $$"""{"parameters":{"binary_data_output":true},"inputs":[{{Input("UINT8", 400_000, 400_000)}}]}""", bytes);
        server.Engine.OnInfer = _ => ValueTask.CompletedTask;
        var (_, rest) = await SplitAsync(response);

        Assert.True(isAligned);
        Assert.Equal(bytes, rest);
    }

    [Fact]
    public async Task Infer_HeaderZero_TakesTheBodyAsTheOnlyInput()
    {
        server.Config = Model(Protocol.Inference.DataType.TypeInt16, -1);
        using var response = await server.InferBinaryAsync("", [1, 0, 2, 0], headerLength: 0);
        var (head, rest) = await SplitAsync(response);

        Assert.Equal([1, 0, 2, 0], rest);
        Assert.Equal("[2]", head.GetProperty("outputs")[0].GetProperty("shape").GetRawText());
    }

    [Fact]
    public async Task Infer_HeaderZeroForStrings_MakesOneElement()
    {
        server.Config = Model(Protocol.Inference.DataType.TypeString, 1);
        using var response = await server.InferBinaryAsync("", "hé"u8.ToArray(), headerLength: 0);
        var (_, rest) = await SplitAsync(response);

        Assert.Equal([3, 0, 0, 0, .. "hé"u8], rest);
    }

    [Fact]
    public async Task Infer_HeaderZeroWithTwoInputs_CannotBeDeduced()
    {
        server.Config = Model(Protocol.Inference.DataType.TypeInt16, -1);
        server.Config.Input.Add(server.Config.Input[0]);
        using var response = await server.InferBinaryAsync("", [1, 0], headerLength: 0);

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Contains(
            "Raw request must only have 1 input (found 1) to be deduced but got 2 inputs in 'echo' model configuration",
            await response.Content.ReadAsStringAsync());
    }

    private static ModelConfig Model(Protocol.Inference.DataType type, long dim)
    {
        var name = type.ToString().Replace("Type", "IN_", StringComparison.Ordinal).ToUpperInvariant();
        var input = new ModelInput { Name = name.Replace("STRING", "BYTES", StringComparison.Ordinal), DataType = type };
        input.Dims.Add(dim);
        return new ModelConfig { Name = "echo", Input = { input } };
    }

    private static unsafe bool IsAligned(ReadOnlyMemory<byte> memory) =>
        TensorBuffer.TryGet(memory, out var buffer, out var offset) && (long)(buffer.Pointer + offset) % 64 == 0;

    private static string Input(string type, int count, int size) =>
        $$$"""{"name":"IN_{{{type}}}","shape":[{{{count}}}],"datatype":"{{{type}}}","parameters":{"binary_data_size":{{{size}}}}}""";

    private static async Task<(JsonElement Head, byte[] Blobs)> SplitAsync(HttpResponseMessage response)
    {
        var bytes = await response.Content.ReadAsByteArrayAsync();
        Assert.True(response.IsSuccessStatusCode, System.Text.Encoding.UTF8.GetString(bytes));
        var length = int.Parse(response.Headers.GetValues(HeaderName).Single(), CultureInfo.InvariantCulture);
        return (JsonDocument.Parse(bytes.AsMemory(0, length)).RootElement, bytes[length..]);
    }
}
