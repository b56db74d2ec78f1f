using System.Buffers;
using Google.Protobuf;
using Sluice.Inference;
using Sluice.Protocol.Codec;
using Sluice.Protocol.Inference;
using Sluice.Tensors;
using InputMessage = Sluice.Protocol.Inference.ModelInferRequest.Types.InferInputTensor;
using OutputMessage = Sluice.Protocol.Inference.ModelInferRequest.Types.InferRequestedOutputTensor;

namespace Sluice.Protocol.Tests;

/// <summary>Parameters that say where a tensor lies, and contents that say too much.</summary>
public sealed class PlacementReaderTests : IDisposable
{
    private readonly TensorBufferPool _pool = new(new TensorBufferPoolOptions { Debug = true });

    public void Dispose()
    {
        Assert.Equal(0, _pool.RentedCount);
        _pool.Dispose();
    }

    /// <summary>Raw contents are counted for inputs outside shared memory only (spec §0, rule 2).</summary>
    [Fact]
    public void Read_InputInSharedMemoryBetweenOthers_TakesNoRawContents()
    {
        var message = new ModelInferRequest { ModelName = "m" };
        message.Inputs.Add(Input("a"));
        message.Inputs.Add(Shared("b", "r", 4, 64));
        message.Inputs.Add(Input("c"));
        message.RawInputContents.Add(ByteString.CopyFrom(1, 2, 3, 4));
        message.RawInputContents.Add(ByteString.CopyFrom(5, 6, 7, 8));
        var request = Read(message);
        Assert.Equal([1, 2, 3, 4], request.Inputs[0].Data.ToArray());
        Assert.False(request.Inputs[1].HasData);
        Assert.Equal([5, 6, 7, 8], request.Inputs[2].Data.ToArray());
        ref var place = ref request.Placement.Tensors[request.Inputs[1].Shared - 1];
        Assert.Equal(("r", 4L, 64L), (request.TextString(place.Region), place.ByteSize, place.Offset));
        Assert.True(request.NeedsPlacement);
    }

    [Fact]
    public void Read_PlainRequest_NeedsNoPlacement()
    {
        var message = new ModelInferRequest { ModelName = "m", Inputs = { Input("a") }, RawInputContents = { ByteString.CopyFrom(1, 2, 3, 4) } };
        message.Outputs.Add(new OutputMessage { Name = "o", Parameters = { ["binary_data"] = new InferParameter { BoolParam = true } } });
        Assert.False(Read(message).NeedsPlacement);
    }

    [Fact]
    public void Read_Classification_IsItsCount()
    {
        var request = Read(Classification(new InferParameter { Int64Param = 3 }));
        Assert.Equal(3, request.RequestedOutputs[0].ClassCount);
        request.Reset();
        Assert.False(request.NeedsPlacement);
    }

    [Fact]
    public void Read_BadClassification_IsRefused()
    {
        Refused(Classification(new InferParameter { Int64Param = 0 }), "invalid value for 'classification' parameter, expected >= 0");
        Refused(Classification(new InferParameter { Int64Param = -1 }), "invalid value for 'classification' parameter, expected >= 0");
        Refused(Classification(new InferParameter { StringParam = "1" }), "invalid value type for 'classification' parameter, expected int64_param");
    }

    [Fact]
    public void Read_PlaceThatIsIncompleteOrMistyped_IsRefused()
    {
        var input = Input("x");
        input.Parameters["shared_memory_offset"] = new InferParameter { Int64Param = 1 };
        Refused(input, "'shared_memory_offset' can not be specified without 'shared_memory_region' parameter for tensor 'x'");
        input = Input("x");
        input.Parameters["shared_memory_byte_size"] = new InferParameter { Int64Param = 1 };
        Refused(input, "'shared_memory_byte_size' can not be specified without 'shared_memory_region' parameter for tensor 'x'");
        input = Input("x");
        input.Parameters["shared_memory_region"] = new InferParameter { StringParam = "r" };
        Refused(input, "'shared_memory_byte_size' must be specified along with 'shared_memory_region' parameter for tensor 'x'");
        input = Input("x");
        input.Parameters["shared_memory_region"] = new InferParameter { Int64Param = 1 };
        Refused(input, "invalid value type for 'shared_memory_region' parameter for tensor 'x', expected string_param.");
        input = Shared("x", "r", 1, 0);
        input.Parameters["shared_memory_offset"] = new InferParameter { Uint64Param = 1 };
        Refused(input, "invalid value type for 'shared_memory_offset' parameter for tensor 'x', expected int64_param.");
    }

    [Fact]
    public void Read_ContentsBesideSharedMemory_IsRefused()
    {
        var input = Shared("x", "r", 4, 0);
        input.Contents = new InferTensorContents { IntContents = { 1 } };
        Refused(input, "unexpected 'content' provided when using shared memory for input tensor 'x' for model 'm'");
        input.Contents = new InferTensorContents();
        Refused(input, "unexpected 'content' provided when using shared memory for input tensor 'x' for model 'm'");
    }

    /// <summary>Fields are looked at in the order of their numbers, whatever their order on the wire (spec §1.3).</summary>
    [Fact]
    public void Read_TwoTypedFields_IsRefusedByTheFirst()
    {
        var input = Input("x");
        input.Contents = new InferTensorContents { IntContents = { 1 }, Fp32Contents = { 1 } };
        Refused(input, "unexpected explicit tensor data for input tensor 'x' for model 'm', binary data was already supplied.");
        input.Contents = new InferTensorContents { IntContents = { 1 }, BoolContents = { true } };
        Refused(input, "unexpected explicit tensor data for input tensor 'x' for model 'm' of type 'BOOL', expected datatype 'INT32'");
        input.Contents = new InferTensorContents { Int64Contents = { 1 }, Fp32Contents = { 1 } };
        Refused(input, "unexpected explicit tensor data for input tensor 'x' for model 'm' of type 'INT64', expected datatype 'INT32'");
    }

    private static InputMessage Input(string name) => new() { Name = name, Datatype = "INT32", Shape = { 1 } };

    private static InputMessage Shared(string name, string region, long byteSize, long offset)
    {
        var input = Input(name);
        input.Parameters["shared_memory_region"] = new InferParameter { StringParam = region };
        input.Parameters["shared_memory_byte_size"] = new InferParameter { Int64Param = byteSize };
        input.Parameters["shared_memory_offset"] = new InferParameter { Int64Param = offset };
        return input;
    }

    private static ModelInferRequest Classification(InferParameter value) => new()
    {
        ModelName = "m",
        Outputs = { new OutputMessage { Name = "o", Parameters = { ["classification"] = value } } },
    };

    private InferRequest Read(ModelInferRequest message)
    {
        var request = new InferRequest();
        InferRequestReader.Read(new ReadOnlySequence<byte>(message.ToByteArray()), request, _pool);
        return request;
    }

    private void Refused(InputMessage input, string text) => Refused(new ModelInferRequest { ModelName = "m", Inputs = { input } }, text);

    private void Refused(ModelInferRequest message, string text)
    {
        var request = new InferRequest();
        var error = Assert.Throws<InferenceException>(
            () => InferRequestReader.Read(new ReadOnlySequence<byte>(message.ToByteArray()), request, _pool));
        request.Reset();
        Assert.Equal((InferenceCode.InvalidArgument, text), (error.Code, error.Message));
    }
}
