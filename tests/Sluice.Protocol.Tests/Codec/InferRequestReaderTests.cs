using System.Buffers;
using FsCheck;
using FsCheck.Fluent;
using Google.Protobuf;
using Sluice.Inference;
using Sluice.Protocol.Codec;
using Sluice.Protocol.Inference;
using Sluice.Tensors;
using Sluice.Testing;
using InputMessage = Sluice.Protocol.Inference.ModelInferRequest.Types.InferInputTensor;
using OutputMessage = Sluice.Protocol.Inference.ModelInferRequest.Types.InferRequestedOutputTensor;

namespace Sluice.Protocol.Tests;

public sealed class InferRequestReaderTests : IDisposable
{
    private readonly List<string> _leaks = [];
    private readonly TensorBufferPool _pool;

    public InferRequestReaderTests() =>
        _pool = new TensorBufferPool(new TensorBufferPoolOptions { Debug = true, OnLeak = _leaks.Add });

    public void Dispose()
    {
        Assert.Equal(0, _pool.RentedCount);
        _pool.Dispose();
        Assert.Empty(_leaks);
    }

    [Fact]
    public void Read_WhatTheGeneratedCodeWrites_SaysTheSame() => Prop
        .ForAll(RequestGenerator.Arbitrary, message => CheckAllSplits(message, message.ToByteArray()))
        .Check(Config.QuickThrowOnFailure.WithMaxTest(150));

    [Fact]
    public void Read_OddButLegalEncodings_SaysTheSameAsTheGeneratedCode() => Prop
        .ForAll(RequestGenerator.Arbitrary, Gen.Choose(0, int.MaxValue).ToArbitrary(), (message, seed) =>
        {
            var bytes = new OddEncoder(new Random(seed)).Encode(message);
            Assert.Equal(message, ModelInferRequest.Parser.WithDiscardUnknownFields(true).ParseFrom(bytes));
            CheckAllSplits(message, bytes);
        })
        .Check(Config.QuickThrowOnFailure.WithMaxTest(150));

    [Fact]
    public void Read_PackedFloats_LeavesThemInTheMessage()
    {
        var bytes = Message(new InputMessage
        {
            Name = "x",
            Datatype = "FP32",
            Shape = { 2 },
            Contents = new InferTensorContents { Fp32Contents = { 1, 2 } },
        }).ToByteArray();
        var request = new InferRequest();
        InferRequestReader.Read(new ReadOnlySequence<byte>(bytes), request, _pool);
        Assert.Null(request.Inputs[0].Owned);
        Assert.Equal(0, _pool.RentedCount);
        Assert.True(request.Inputs[0].Data.FirstSpan.Overlaps(bytes));
    }

    [Fact]
    public void Read_RawAndTypedInOneRequest_IsRefused()
    {
        var message = Message(
            new InputMessage { Name = "a", Datatype = "INT32", Shape = { 1 } },
            new InputMessage
            {
                Name = "b",
                Datatype = "INT32",
                Shape = { 1 },
                Contents = new InferTensorContents { IntContents = { 1 } },
            });
        message.RawInputContents.Add(ByteString.CopyFrom(1, 0, 0, 0));
        Refused(
            message, "contents field must not be specified when using raw_input_contents for 'b' for model 'm'");
    }

    [Fact]
    public void Read_FewerRawContentsThanInputs_IsRefused()
    {
        var message = Message(
            new InputMessage { Name = "a", Datatype = "INT32", Shape = { 1 } },
            new InputMessage { Name = "b", Datatype = "INT32", Shape = { 1 } });
        message.RawInputContents.Add(ByteString.CopyFrom(1, 0, 0, 0));
        Refused(message, "unable to find data for input tensor 'b' for model 'm' in request.");
        message.RawInputContents.Clear();
        Refused(message, "unable to find data for input tensor 'a' for model 'm' in request.");
    }

    [Fact]
    public void Read_MoreRawContentsThanInputs_IsRefused()
    {
        var message = Message(new InputMessage { Name = "a", Datatype = "INT32", Shape = { 1 } });
        message.RawInputContents.Add(ByteString.CopyFrom(1, 0, 0, 0));
        message.RawInputContents.Add(ByteString.Empty);
        Refused(message, "unexpected additional input data for model 'm'");
    }

    [Theory]
    [InlineData("INT32", "INT32")]
    [InlineData("FP16", "FP16")]
    [InlineData("NOPE", "INVALID")]
    public void Read_ContentsOfAnotherType_IsRefused(string datatype, string expected) => Refused(
        Message(new InputMessage
        {
            Name = "a",
            Datatype = datatype,
            Shape = { 1 },
            Contents = new InferTensorContents { Fp64Contents = { 1 } },
        }),
        "unexpected explicit tensor data for input tensor 'a' for model 'm' of type 'FP64', expected datatype " +
        $"'{expected}'");

    [Theory]
    [InlineData("BOOL", 1, new byte[] { 0x0D, 0x01, 0x08, 0x01, 0x08 }, 1)]
    [InlineData("INT32", 2, new byte[] { 0x15, 0x01, 0x10, 0x01, 0x10 }, 4)]
    [InlineData("FP32", 6, new byte[] { 0x30, 0x01 }, 4)]
    [InlineData("FP64", 7, new byte[] { 0x3D, 0, 0, 0, 0 }, 8)]
    [InlineData("BYTES", 8, new byte[] { 0x40, 0x01 }, 5)]
    public void Read_ElementOfAnotherWireType_IsPassedOverAsUnknown(string datatype, int field, byte[] odd, int byteSize)
    {
        var input = new InputMessage { Name = "a", Datatype = datatype, Shape = { 1 } };
        var element = new InferTensorContents();
        switch (field)
        {
            case 1:
                element.BoolContents.Add(true);
                break;
            case 2:
                element.IntContents.Add(1);
                break;
            case 6:
                element.Fp32Contents.Add(1);
                break;
            case 7:
                element.Fp64Contents.Add(1);
                break;
            default:
                element.BytesContents.Add(ByteString.CopyFrom(1));
                break;
        }

        foreach (var contents in new byte[][] { [.. odd, .. element.ToByteArray()], [.. element.ToByteArray(), .. odd] })
        {
            byte[] inner = [.. input.ToByteArray(), 0x2A, (byte)contents.Length, .. contents];
            byte[] bytes = [0x2A, (byte)inner.Length, .. inner];
            var parsed = ModelInferRequest.Parser.WithDiscardUnknownFields(true).ParseFrom(bytes);
            Assert.Equal(element, parsed.Inputs[0].Contents);
            var request = new InferRequest();
            InferRequestReader.Read(new ReadOnlySequence<byte>(bytes), request, _pool);
            Assert.Equal(RawForm.Of(parsed.Inputs[0]), request.Inputs[0].Data.ToArray());
            Assert.Equal(byteSize, request.Inputs[0].Data.Length);
            request.Reset();
        }
    }

    [Fact]
    public void Read_SameOutputTwice_IsRefused()
    {
        var message = Message();
        message.Outputs.Add(new OutputMessage { Name = "OUTPUT0" });
        message.Outputs.Add(new OutputMessage { Name = "OUTPUT0" });
        Refused(message, "output 'OUTPUT0' already exists in request");
    }

    [Fact]
    public void Read_MoreThan32Dimensions_IsRefused() => Refused(
        Message(new InputMessage { Name = "a", Datatype = "INT8", Shape = { Enumerable.Repeat(1L, 33) } }),
        "a shape has more than 32 dimensions");

    [Fact]
    public void Read_TooLittleTensorMemory_IsResourceExhausted()
    {
        var message = Message(new InputMessage
        {
            Name = "a",
            Datatype = "INT64",
            Shape = { 100 },
            Contents = new InferTensorContents { Int64Contents = { new long[100] } },
        });
        using var small = new TensorBufferPool(new TensorBufferPoolOptions { MaxBytes = 512 });
        var request = new InferRequest();
        var error = Assert.Throws<InferenceException>(() =>
            InferRequestReader.Read(new ReadOnlySequence<byte>(message.ToByteArray()), request, small));
        Assert.Equal(InferenceCode.ResourceExhausted, error.Code);
        Assert.Contains("800 bytes", error.Message, StringComparison.Ordinal);
        Assert.Equal(0, small.RentedCount);
    }

    [Fact]
    public void Read_EndlessListOfInputs_IsRefusedBeforeItTakesMemory()
    {
        // Two bytes of message would otherwise become a hundred bytes of tensor each.
        foreach (var tag in new byte[] { 0x2A, 0x32, 0x3A })
        {
            var bytes = new byte[2_000_000];
            for (var i = 0; i < bytes.Length; i += 2)
                bytes[i] = tag;
            var before = GC.GetAllocatedBytesForCurrentThread();
            var error = Assert.Throws<InferenceException>(() => Read(bytes));
            Assert.Equal(InferenceCode.InvalidArgument, error.Code);
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4096 * 512);
        }
    }

    [Theory]
    [InlineData(4096, true)]
    [InlineData(4095, false)]
    public void FindBulkOffset_RawContentsThatGoOn_AreFoundWhenLarge(int length, bool isFound)
    {
        var message = Message(new InputMessage { Name = "a", Datatype = "UINT8", Shape = { length } });
        message.RawInputContents.Add(ByteString.CopyFrom(new byte[length]));
        var bytes = message.ToByteArray();
        var start = bytes.Length - length;
        foreach (var head in SplitBytes.InManyWays(bytes[..(start + 10)], new Random(1)))
            Assert.Equal(isFound ? start : 0, InferRequestReader.FindBulkOffset(in head));
    }

    [Fact]
    public void FindBulkOffset_HeadEndsBefore_SaysNothing()
    {
        var message = Message(new InputMessage { Name = "a", Datatype = "UINT8", Shape = { 9000 } });
        message.RawInputContents.Add(ByteString.CopyFrom(new byte[9000]));
        var bytes = message.ToByteArray();
        var start = bytes.Length - 9000;
        for (var length = 0; length < start; length++)
        {
            var head = new ReadOnlySequence<byte>(bytes, 0, length);
            Assert.Equal(0, InferRequestReader.FindBulkOffset(in head));
        }
    }

    private static ModelInferRequest Message(params InputMessage[] inputs) => new() { ModelName = "m", Inputs = { inputs } };

    private void Refused(ModelInferRequest message, string expected)
    {
        var error = Assert.Throws<InferenceException>(() => Read(message.ToByteArray()));
        Assert.Equal(expected, error.Message);
        Assert.Equal(InferenceCode.InvalidArgument, error.Code);
    }

    private void Read(byte[] bytes)
    {
        var request = new InferRequest();
        try
        {
            InferRequestReader.Read(new ReadOnlySequence<byte>(bytes), request, _pool);
        }
        finally
        {
            request.Reset();
        }
    }

    private void CheckAllSplits(ModelInferRequest message, byte[] bytes)
    {
        var request = new InferRequest();
        foreach (var sequence in SplitBytes.InManyWays(bytes, new Random(bytes.Length)))
        {
            InferRequestReader.Read(in sequence, request, _pool);
            Same(message, request);
            request.Reset();
        }
    }

    private static void Same(ModelInferRequest message, InferRequest request)
    {
        Assert.Equal(message.ModelName, request.TextString(request.ModelName));
        Assert.Equal(message.ModelVersion, request.TextString(request.ModelVersion));
        Assert.Equal(message.Id, request.TextString(request.Id));
        Assert.Equal(message.Inputs.Count, request.InputCount);
        for (var i = 0; i < request.InputCount; i++)
        {
            ref var input = ref request.Inputs[i];
            var expected = message.Inputs[i];
            Assert.Equal(expected.Name, request.TextString(input.Name));
            Assert.Equal(expected.Datatype, input.DataType.WireName());
            Assert.Equal(expected.Shape, input.Shape.Dimensions.ToArray());
            Assert.True(input.HasData);
            var data = message.RawInputContents.Count > 0 ? message.RawInputContents[i].ToByteArray() : RawForm.Of(expected);
            Assert.Equal(data, input.Data.ToArray());
        }

        Assert.Equal(
            message.Outputs.Select(output => output.Name),
            request.RequestedOutputs.ToArray().Select(output => request.TextString(output.Name)));
        var parameters = request.Parameters.ToArray();
        Assert.Equal(message.Parameters.Count, parameters.Length);
        foreach (var parameter in parameters)
            Assert.Equal(message.Parameters[request.TextString(parameter.Key)], Value(request, parameter));
    }

    private static InferParameter Value(InferRequest request, in RequestParameter parameter) => parameter.Kind switch
    {
        ParameterKind.Bool => new InferParameter { BoolParam = parameter.Bits != 0 },
        ParameterKind.Int64 => new InferParameter { Int64Param = parameter.Bits },
        ParameterKind.Double => new InferParameter { DoubleParam = BitConverter.Int64BitsToDouble(parameter.Bits) },
        _ => new InferParameter { StringParam = request.TextString(parameter.Text) },
    };
}
