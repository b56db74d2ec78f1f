using System.Buffers;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Google.Protobuf;
using Sluice.Inference;
using Sluice.Protocol.Codec;
using Sluice.Protocol.Inference;
using Sluice.Tensors;
using Sluice.Testing;
using DataType = Sluice.Tensors.DataType;

namespace Sluice.Protocol.Tests;

public sealed class ResponseWriterTests : IDisposable
{
    private readonly TensorBufferPool _pool = new(new TensorBufferPoolOptions { Debug = true });

    public void Dispose() => _pool.Dispose();

    private static Gen<(string Name, DataType Type, long[] Shape, int Length)> Outputs =>
        from name in RequestGenerator.Names
        from type in Gen.Elements(Enum.GetValues<DataType>().Where(type => type != DataType.Invalid).ToArray())
        from shape in Gen.Elements(0L, 1L, 300L, 1L << 40).Between(0, 12)
        from length in Gen.Elements(0, 1, 64, 127, 128, 5000)
        select (name, type, shape, length);

    [Fact]
    public void Write_AnyResponse_IsWhatTheGeneratedCodeReads() => Prop
        .ForAll(RequestGenerator.Names.ToArbitrary(), Outputs.Between(0, 5).ToArbitrary(), (id, outputs) =>
        {
            var request = Request(id, outputs.Select(output => (output.Name, output.Type)));
            var expected = new ModelInferResponse { ModelName = "größe", ModelVersion = "12", Id = id };
            using var buffer = _pool.Rent(outputs.Sum(output => output.Length) + 7);
            var offset = 7;
            foreach (var (i, output) in outputs.Index())
            {
                var data = new byte[output.Length];
                Random.Shared.NextBytes(data);
                Responses.Add(request, i, Shape.Create(output.Shape), data, buffer, offset);
                offset += data.Length;
                expected.Outputs.Add(new ModelInferResponse.Types.InferOutputTensor
                {
                    Name = output.Name,
                    Datatype = output.Type.WireName(),
                    Shape = { output.Shape },
                });
                expected.RawOutputContents.Add(ByteString.CopyFrom(data));
            }

            foreach (var bytes in WriteInTwoWays(request, InferResponseWriter.Write))
            {
                Assert.Equal(expected, ModelInferResponse.Parser.ParseFrom(bytes));
                Assert.Equal(InferResponseWriter.Measure(request), bytes.Length);
            }

            foreach (var isFinal in new[] { true, false })
            {
                expected.Parameters["triton_final_response"] = new InferParameter { BoolParam = isFinal };
                foreach (var bytes in WriteInTwoWays(request, (output, r) => StreamResponseWriter.Write(output, r, isFinal)))
                {
                    var message = ModelStreamInferResponse.Parser.ParseFrom(bytes);
                    Assert.Equal("", message.ErrorMessage);
                    Assert.Equal(expected, message.InferResponse);
                    Assert.Equal(StreamResponseWriter.Measure(request), bytes.Length);
                }
            }
        })
        .Check(Config.QuickThrowOnFailure.WithMaxTest(200));

    [Fact]
    public void Write_ParametersOfTheModel_ComeWithEveryKind()
    {
        var request = Request("7", [("o", DataType.Int32)]);
        var batch = new ExecutionBatch(request.Settings!, _pool, _ => { });
        batch.Begin(1);
        batch.AddParameter(ResponseParameter.Of("größe", new string('ß', 300)));
        batch.AddParameter(ResponseParameter.Of("i", -1));
        batch.AddParameter(ResponseParameter.Of("b", false));
        batch.AddParameter(ResponseParameter.Of("d", 123.123));
        batch.AddParameter(new ResponseParameter("u", ParameterKind.UInt64, -1, ""));
        request.HoldBatch(batch);
        batch.Release();
        var expected = new ModelInferResponse
        {
            ModelName = "größe",
            ModelVersion = "12",
            Id = "7",
            Parameters =
            {
                ["größe"] = new InferParameter { StringParam = new string('ß', 300) },
                ["i"] = new InferParameter { Int64Param = -1 },
                ["b"] = new InferParameter { BoolParam = false },
                ["d"] = new InferParameter { DoubleParam = 123.123 },
                ["u"] = new InferParameter { Uint64Param = ulong.MaxValue },
            },
        };
        foreach (var bytes in WriteInTwoWays(request, InferResponseWriter.Write))
        {
            Assert.Equal(expected, ModelInferResponse.Parser.ParseFrom(bytes));
            Assert.Equal(InferResponseWriter.Measure(request), bytes.Length);
        }

        request.Reset();
        Assert.True(request.ResponseParameters.IsEmpty);
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("7", "model 'größe' failed 🙂")]
    public void Write_RefusalInAStream_HasTheMessageAndTheId(string id, string text)
    {
        var request = Request(id, [("o", DataType.Int32)]);
        request.IsRefused = true;
        request.Fail(InferenceCode.Internal, text);
        foreach (var bytes in WriteInTwoWays(request, (output, r) => StreamResponseWriter.Write(output, r, isFinal: true)))
        {
            var message = ModelStreamInferResponse.Parser.ParseFrom(bytes);
            Assert.Equal(text, message.ErrorMessage);
            Assert.Equal(new ModelInferResponse { Id = id }, message.InferResponse);
            Assert.Equal(StreamResponseWriter.Measure(request), bytes.Length);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Write_FailureOfTheModelInAStream_SaysWhoseItIsAndWhetherMoreFollows(bool isFinal)
    {
        var request = Request("7", [("o", DataType.Int32)]);
        request.Fail(InferenceCode.Internal, "no");
        var expected = new ModelInferResponse
        {
            ModelName = "größe",
            ModelVersion = "12",
            Id = "7",
            Parameters = { ["triton_final_response"] = new InferParameter { BoolParam = isFinal } },
        };
        foreach (var bytes in WriteInTwoWays(request, (output, r) => StreamResponseWriter.Write(output, r, isFinal)))
        {
            var message = ModelStreamInferResponse.Parser.ParseFrom(bytes);
            Assert.Equal("no", message.ErrorMessage);
            Assert.Equal(expected, message.InferResponse);
            Assert.Equal(StreamResponseWriter.Measure(request), bytes.Length);
        }
    }

    [Fact]
    public void Write_HeadAndRawPartsApart_MakeTheSameMessage()
    {
        var request = Request("id", [("a", DataType.UInt8), ("b", DataType.UInt8)]);
        using var buffer = _pool.Rent(300);
        Responses.Add(request, 0, Shape.Create([300]), new byte[200], buffer, 0);
        Responses.Add(request, 1, Shape.Create([100]), new byte[100], buffer, 200);
        var parts = new StingyWriter();
        InferResponseWriter.WriteHead(parts, request);
        foreach (var output in request.Outputs)
        {
            InferResponseWriter.WriteRawHead(parts, output.Length);
            parts.Write(output.Data);
        }

        Assert.Equal(WriteInTwoWays(request, InferResponseWriter.Write).First(), parts.Written);
    }

    [Fact]
    public void ReadAndWrite_SteadyState_AllocateNothing()
    {
        var bytes = new ModelInferRequest
        {
            ModelName = "m",
            Id = "4711",
            Inputs = { Input("INPUT0"), Input("INPUT1") },
            RawInputContents = { ByteString.CopyFrom(new byte[64]), ByteString.CopyFrom(new byte[64]) },
            Outputs = { new ModelInferRequest.Types.InferRequestedOutputTensor { Name = "OUTPUT0" } },
            Parameters = { ["p"] = new InferParameter { StringParam = "v" } },
        }.ToByteArray();
        var typed = new ModelInferRequest { ModelName = "m", Inputs = { Input("INPUT0") } };
        typed.Inputs[0].Contents = new InferTensorContents { IntContents = { Enumerable.Range(0, 16) } };
        var settings = Responses.Settings(("OUTPUT0", DataType.Int32));
        using var pool = new TensorBufferPool(new TensorBufferPoolOptions());
        using var buffer = pool.Rent(64);
        var message = new ReadOnlySequence<byte>(bytes);
        var typedMessage = new ReadOnlySequence<byte>(typed.ToByteArray());
        var request = new InferRequest();
        var writer = new ArrayBufferWriter<byte>(4096);

        void Once()
        {
            InferRequestReader.Read(in typedMessage, request, pool);
            request.Reset();
            InferRequestReader.Read(in message, request, pool);
            request.SetModel(settings);
            ref var output = ref request.AddOutput();
            output.DataType = DataType.Int32;
            output.Shape = Shape.Create([1, 16]);
            output.Buffer = buffer;
            output.Length = 64;
            writer.ResetWrittenCount();
            _ = InferResponseWriter.Measure(request) + StreamResponseWriter.Measure(request);
            InferResponseWriter.Write(writer, request);
            StreamResponseWriter.Write(writer, request, isFinal: true);
            request.Reset();
        }

        for (var i = 0; i < 200; i++)
            Once();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
            Once();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static ModelInferRequest.Types.InferInputTensor Input(string name) =>
        new() { Name = name, Datatype = "INT32", Shape = { 1, 16 } };

    private static InferRequest Request(string id, IEnumerable<(string, DataType)> outputs)
    {
        var request = new InferRequest();
        request.SetModel(Responses.Settings([.. outputs]));
        request.Id = request.AddText(Encoding.UTF8.GetBytes(id));
        return request;
    }

    private static IEnumerable<byte[]> WriteInTwoWays(InferRequest request, Action<IBufferWriter<byte>, InferRequest> write)
    {
        var roomy = new ArrayBufferWriter<byte>(1 << 16);
        write(roomy, request);
        yield return roomy.WrittenSpan.ToArray();
        var stingy = new StingyWriter();
        write(stingy, request);
        yield return stingy.Written;
    }
}
