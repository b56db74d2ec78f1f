using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Testing;
using InputMessage = Sluice.Protocol.Inference.ModelInferRequest.Types.InferInputTensor;
using OutputMessage = Sluice.Protocol.Inference.ModelInferRequest.Types.InferRequestedOutputTensor;

namespace Sluice.Functional.Tests;

/// <summary>Outputs as their best classes, over gRPC and HTTP, on the demo model with its labels and on others without.</summary>
public sealed class ClassificationTests : IAsyncLifetime
{
    private OwnServer _server = null!;

    private static string Examples => Path.GetFullPath(
        Path.Combine(GoldenSet.FolderOf("onnx"), "..", "..", "..", "..", "examples", "models"));

    public async Task InitializeAsync() => _server = await OwnServer.StartAsync(
        options => options with { ModelRepositories = options.ModelRepositories.Add(Examples) }, "add_sub_int32", "wide", "identity_float16");

    public async Task DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task Grpc_IntegersInABatch_AreRankedRowByRow()
    {
        var request = AddSub([.. Enumerable.Range(0, 16), .. Enumerable.Range(0, 16).Select(i => -i)], 2);
        request.Outputs.Add(Classes("OUTPUT0", 3));
        request.Outputs.Add(new OutputMessage { Name = "OUTPUT1" });
        var response = await _server.CallAsync<ModelInferResponse>("ModelInfer", request);
        Assert.Equal("BYTES", response.Outputs[0].Datatype);
        Assert.Equal([2, 3], response.Outputs[0].Shape);
        Assert.Equal(["16:15", "15:14", "14:13", "1:0", "0:1", "-1:2"], Texts(response.RawOutputContents[0]));
        Assert.Equal(128, response.RawOutputContents[1].Length);
    }

    [Fact]
    public async Task Grpc_FloatsWithoutABatch_HaveSixDecimalsAndTheLowerIndexFirst()
    {
        var request = new ModelInferRequest { ModelName = "wide", Outputs = { Classes("OUTPUT0", 100) } };
        request.Inputs.Add(new InputMessage { Name = "INPUT0", Datatype = "FP32", Shape = { 4 } });
        request.RawInputContents.Add(ByteString.CopyFrom(MemoryMarshal.AsBytes<float>([0.25f, 0.75f, 0.25f, -1f / 3])));
        var response = await _server.CallAsync<ModelInferResponse>("ModelInfer", request);
        Assert.Equal([4L], response.Outputs[0].Shape);
        Assert.Equal(["0.750000:1", "0.250000:0", "0.250000:2", "-0.333333:3"], Texts(response.RawOutputContents[0]));
    }

    [Fact]
    public async Task Http_DemoModel_NamesItsDigits()
    {
        var pixels = string.Join(',', Enumerable.Repeat("0,4,12,16", 16));
        var (status, text) = await _server.PostAsync(
            "/v2/models/digits/infer",
            $$$"""
            {"inputs":[{"name":"image","shape":[1,64],"datatype":"FP32","data":[{{{pixels}}}]}],
             "outputs":[{"name":"probabilities","parameters":{"classification":10}}]}
            """);
        Assert.True(status == 200, text);
        using var json = JsonDocument.Parse(text);
        var output = json.RootElement.GetProperty("outputs")[0];
        Assert.Equal(("BYTES", "[1,10]"), (output.GetProperty("datatype").GetString(), output.GetProperty("shape").GetRawText()));
        var labels = await File.ReadAllLinesAsync(Path.Combine(Examples, "digits", "labels.txt"));
        var classes = output.GetProperty("data").EnumerateArray().Select(item => item.GetString()!.Split(':')).ToList();
        Assert.Equal(Enumerable.Range(0, 10), classes.Select(parts => int.Parse(parts[1])).Order());
        Assert.All(classes, parts => Assert.Equal(labels[int.Parse(parts[1])], parts[2]));
        Assert.All(classes, parts => Assert.Matches(@"^\d\.\d{6}$", parts[0]));
        Assert.Equal(classes.Select(parts => parts[0]).OrderDescending(StringComparer.Ordinal), classes.Select(parts => parts[0]));
    }

    [Fact]
    public async Task Http_Binary_IsTheSameTexts()
    {
        using var content = new StringContent(
            """
            {"inputs":[{"name":"INPUT0","shape":[3],"datatype":"FP32","data":[1,3,2]}],
             "outputs":[{"name":"OUTPUT0","parameters":{"classification":2,"binary_data":true}}]}
            """);
        using var response = await _server.Http.PostAsync("/v2/models/wide/infer", content);
        var body = await response.Content.ReadAsByteArrayAsync();
        var head = int.Parse(response.Headers.GetValues("Inference-Header-Content-Length").Single());
        Assert.Equal(["3.000000:1", "2.000000:2"], Texts(ByteString.CopyFrom(body[head..])));
    }

    [Fact]
    public async Task Stream_Classes_ComeAsOnUnaryCalls()
    {
        await using var stream = _server.Grpc.OpenStream<ModelInferRequest, ModelStreamInferResponse>(
            OwnServer.Service + "ModelStreamInfer", ModelStreamInferResponse.Parser);
        var request = AddSub([.. Enumerable.Range(0, 16)], 1);
        request.Outputs.Add(Classes("OUTPUT0", 1));
        await stream.WriteAsync(request);
        stream.Complete();
        Assert.Equal(["16:15"], Texts((await stream.ReadAsync())!.InferResponse.RawOutputContents[0]));
    }

    [Fact]
    public async Task Grpc_HalfFloats_AreRefusedBeforeTheyRun()
    {
        var metadata = await _server.Grpc.GetModelMetadataAsync("identity_float16");
        var request = new ModelInferRequest { ModelName = "identity_float16", Outputs = { Classes(metadata.Outputs[0].Name, 1) } };
        var shape = metadata.Inputs[0].Shape.Select(dim => Math.Max(dim, 1)).ToArray();
        request.Inputs.Add(new InputMessage { Name = metadata.Inputs[0].Name, Datatype = "FP16", Shape = { shape } });
        request.RawInputContents.Add(ByteString.CopyFrom(new byte[2 * shape.Aggregate(1L, (product, dim) => product * dim)]));
        var failure = await SharedMemoryClient.FailsAsync(
            _server.CallAsync<ModelInferResponse>("ModelInfer", request), InferenceCode.InvalidArgument);
        Assert.Equal("class result not available for output due to unsupported type 'FP16'", failure.Message);
    }

    [Fact]
    public async Task Grpc_MoreThanAMillionElements_IsRefused()
    {
        var request = new ModelInferRequest { ModelName = "wide", Outputs = { Classes("OUTPUT0", 1) } };
        request.Inputs.Add(new InputMessage { Name = "INPUT0", Datatype = "FP32", Shape = { 1_000_001 } });
        request.RawInputContents.Add(ByteString.CopyFrom(new byte[4_000_004]));
        var failure = await SharedMemoryClient.FailsAsync(
            _server.CallAsync<ModelInferResponse>("ModelInfer", request), InferenceCode.InvalidArgument);
        Assert.Equal("classification output tensor too large", failure.Message);
    }

    private static OutputMessage Classes(string name, long count) =>
        new() { Name = name, Parameters = { ["classification"] = new InferParameter { Int64Param = count } } };

    private static ModelInferRequest AddSub(int[] first, int rows)
    {
        var request = new ModelInferRequest { ModelName = "add_sub_int32" };
        request.Inputs.Add(new InputMessage { Name = "INPUT0", Datatype = "INT32", Shape = { rows, 16 } });
        request.Inputs.Add(new InputMessage { Name = "INPUT1", Datatype = "INT32", Shape = { rows, 16 } });
        request.RawInputContents.Add(SharedMemoryClient.Raw(first));
        request.RawInputContents.Add(SharedMemoryClient.Raw([.. Enumerable.Repeat(1, 16 * rows)]));
        return request;
    }

    private static List<string> Texts(ByteString raw)
    {
        var texts = new List<string>();
        for (var data = raw.Span; !data.IsEmpty;)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(data);
            texts.Add(Encoding.UTF8.GetString(data.Slice(4, length)));
            data = data[(4 + length)..];
        }

        return texts;
    }
}
