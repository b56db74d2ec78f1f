using System.Buffers;
using System.Text;
using Sluice.Tensors;

namespace Sluice.Inference.Tests;

/// <summary>The error texts of spec §1.3, which clients match, and what passes.</summary>
public sealed class RequestBinderTests
{
    private const string Note =
        " NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be prepended to each " +
        "input shape. If you want to specify the full shape including the batch dim in your input dims config, try setting " +
        "max_batch_size to zero. See the model configuration docs for more info on max_batch_size.";

    private static readonly ModelSettings Simple = Model(
        8, Tensor("INPUT0", DataType.Int32, 16), Tensor("INPUT1", DataType.Int32, 16));

    [Fact]
    public void Bind_GoodRequest_SetsIndexesAndRows()
    {
        // The other way round than in the model, and one output of two.
        var request = Request(("INPUT1", DataType.Int32, [3, 16], 192), ("INPUT0", DataType.Int32, [3, 16], 192));
        request.AddRequestedOutput().Name = request.AddText("OUTPUT1"u8);
        RequestBinder.Bind(request, Simple);
        Assert.Equal(3, request.RowCount);
        Assert.Equal([1, 0], request.InputByIndex.ToArray());
        Assert.Equal([1, 0], request.Inputs.ToArray().Select(input => input.Index));
        Assert.Equal(1, request.RequestedOutputs[0].Index);
        Assert.Same(Simple, request.Settings);
    }

    [Fact]
    public void Bind_OneInputMissing_NamesBothLists() => Refused(
        Simple,
        "expected 2 inputs but got 1 inputs for model 'm'. Got input(s) ['INPUT1'], but missing required input(s) ['INPUT0']. " +
        "Please provide all required input(s).",
        ("INPUT1", DataType.Int32, [1, 16], 64));

    [Fact]
    public void Bind_NoInputs_ListsAreEmptyAndFull() => Refused(
        Simple,
        "expected 2 inputs but got 0 inputs for model 'm'. Got input(s) [], but missing required input(s) " +
        "['INPUT0','INPUT1']. Please provide all required input(s).");

    [Fact]
    public void Bind_TooManyInputs_IsACountError() => Refused(
        Simple,
        "expected 2 inputs but got 3 inputs for model 'm'. Got input(s) ['INPUT0','INPUT1','INPUT2'], but missing required " +
        "input(s) []. Please provide all required input(s).",
        Good("INPUT0"), Good("INPUT1"), Good("INPUT2"));

    [Fact]
    public void Bind_OptionalInputs_CountIsARange()
    {
        var model = Model(8, Tensor("INPUT0", DataType.Int32, 16), Tensor("INPUT1", DataType.Int32, 16) with { IsOptional = true });
        Refused(
            model,
            "expected number of inputs between 1 and 2 but got 0 inputs for model 'm'. Got input(s) [], but missing required " +
            "input(s) ['INPUT0']. Please provide all required input(s).");
        Refused(
            model,
            "expected number of inputs between 1 and 2 but got 1 inputs for model 'm'. Got input(s) ['INPUT1'], but missing " +
            "required input(s) ['INPUT0']. Please provide all required input(s).",
            Good("INPUT1"));
        var request = Request(Good("INPUT0"));
        RequestBinder.Bind(request, model);
        Assert.Equal([0, -1], request.InputByIndex.ToArray());
    }

    [Fact]
    public void Bind_UnknownInputInTheRightNumber_IsNamed() => Refused(
        Simple, "unexpected inference input 'INPUT7' for model 'm'", Good("INPUT0"), Good("INPUT7"));

    [Fact]
    public void Bind_SameInputTwice_IsRefused() => Refused(
        Simple, "input 'INPUT0' already exists in request", Good("INPUT0"), Good("INPUT0"));

    [Fact]
    public void Bind_UnknownOutput_IsNamed()
    {
        var request = Request(Good("INPUT0"), Good("INPUT1"));
        request.AddRequestedOutput().Name = request.AddText("größe"u8);
        Refused(Simple, request, "unexpected inference output 'größe' for model 'm'");
    }

    [Fact]
    public void Bind_WrongDataType_IsRefused() => Refused(
        Simple, "inference input 'INPUT0' data-type is 'FP32', but model 'm' expects 'INT32'",
        ("INPUT0", DataType.Fp32, [1, 16], 64), Good("INPUT1"));

    [Fact]
    public void Bind_SeveralBadInputs_TheLastOneIsReported() => Refused(
        Simple, "inference input 'INPUT1' data-type is 'FP64', but model 'm' expects 'INT32'",
        ("INPUT0", DataType.Fp32, [1, 16], 64), ("INPUT1", DataType.Fp64, [1, 16], 128));

    [Fact]
    public void Bind_BatchTooLarge_IsRefused() => Refused(
        Simple, "inference request batch-size must be <= 8 for 'm'",
        ("INPUT0", DataType.Int32, [9, 16], 576), ("INPUT1", DataType.Int32, [9, 16], 576));

    [Fact]
    public void Bind_BatchSizesDiffer_IsRefused() => Refused(
        Simple, "input 'INPUT0' batch size does not match other inputs for 'm'",
        ("INPUT0", DataType.Int32, [2, 16], 128), Good("INPUT1"));

    [Fact]
    public void Bind_NoBatchDimension_IsRefused() => Refused(
        Simple, "input 'INPUT1' has no shape but model requires batch dimension for 'm'",
        Good("INPUT0"), ("INPUT1", DataType.Int32, [], 64));

    [Theory]
    [InlineData(new long[] { 1, 17 }, "[1,17]")]
    [InlineData(new long[] { 1 }, "[1]")]
    [InlineData(new long[] { 1, 16, 1 }, "[1,16,1]")]
    [InlineData(new long[] { 1, -16 }, "[1,-16]")]
    public void Bind_WrongShapeOfABatchingModel_IsRefusedWithTheNote(long[] shape, string printed) => Refused(
        Simple, $"unexpected shape for input 'INPUT1' for model 'm'. Expected [-1,16], got {printed}.{Note}",
        Good("INPUT0"), ("INPUT1", DataType.Int32, shape, 64));

    [Fact]
    public void Bind_WrongShapeOfAnotherModel_HasNoNote() => Refused(
        Model(0, Tensor("IN", DataType.Int32, 2, -1)),
        "unexpected shape for input 'IN' for model 'm'. Expected [2,-1], got [3,1].", ("IN", DataType.Int32, [3, 1], 12));

    [Theory]
    [InlineData(63)]
    [InlineData(65)]
    [InlineData(0)]
    public void Bind_WrongByteSize_IsRefused(int length) => Refused(
        Simple, $"input byte size mismatch for input 'INPUT1' for model 'm'. Expected 64, got {length}",
        Good("INPUT0"), ("INPUT1", DataType.Int32, [1, 16], length));

    [Theory]
    [InlineData(DataType.Int8, 1L << 62, 2L)]
    [InlineData(DataType.Int64, 1L << 60, 1L)]
    [InlineData(DataType.Bytes, 1L << 32, 1L << 31)]
    public void Bind_ElementCountPastTheLargest_IsRefused(DataType type, long first, long second) => Refused(
        Model(0, Tensor("IN", type, -1, -1)),
        $"input 'IN' for model 'm': shape [{first},{second}] causes total element count to exceed maximum size of " +
        "9223372036854775807",
        ("IN", type, [first, second], 0));

    [Fact]
    public void Bind_ZeroInAnOtherwiseHugeShape_IsEmptyAndFine()
    {
        var request = Request(("IN", DataType.Int64, [long.MaxValue, 0], 0));
        RequestBinder.Bind(request, Model(0, Tensor("IN", DataType.Int64, -1, -1)));
        Assert.Equal(1, request.RowCount);
    }

    [Fact]
    public void Bind_NegativeBatchDimension_IsRefused()
    {
        foreach (var rows in new long[] { -1, -2, long.MinValue })
        {
            var request = Request(("INPUT0", DataType.Int32, [rows, 16], 64), ("INPUT1", DataType.Int32, [rows, 16], 64));
            Assert.Throws<InferenceException>(() => RequestBinder.Bind(request, Simple));
        }
    }

    [Theory]
    [InlineData(new byte[] { 1, 0, 0, 0, 65 }, "expected 2 string elements for inference input 'IN' for model 'm', got 1")]
    [InlineData(new byte[0], "expected 2 string elements for inference input 'IN' for model 'm', got 0")]
    [InlineData(
        new byte[] { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
        "unexpected number of string elements 3 for inference input 'IN' for model 'm', expecting 2")]
    [InlineData(
        new byte[] { 0, 0, 0, 0, 1, 0 },
        "incomplete string length indicator for inference input 'IN' for model 'm', expecting 4 bytes but only 2 bytes available")]
    [InlineData(
        new byte[] { 0, 0, 0, 0, 2, 0, 0, 0, 65 },
        "incomplete string data for inference input 'IN' for model 'm', expecting string of length 2 but only 1 bytes available")]
    [InlineData(
        new byte[] { 0xFF, 0xFF, 0xFF, 0xFF, 65 },
        "incomplete string data for inference input 'IN' for model 'm', expecting string of length 4294967295 but only 1 bytes " +
        "available")]
    public void Bind_BadStrings_AreRefused(byte[] data, string expected)
    {
        var request = Request(("IN", DataType.Bytes, [2], 0));
        request.Inputs[0].Data = new ReadOnlySequence<byte>(data);
        Refused(Model(0, Tensor("IN", DataType.Bytes, 2)), request, expected);
    }

    [Fact]
    public void Bind_GoodStrings_PassInWhateverPieces()
    {
        byte[] data = [2, 0, 0, 0, 65, 66, 0, 0, 0, 0];
        foreach (var pieces in Testing.SplitBytes.InManyWays(data, new Random(1)))
        {
            var request = Request(("IN", DataType.Bytes, [2], 0));
            request.Inputs[0].Data = pieces;
            RequestBinder.Bind(request, Model(0, Tensor("IN", DataType.Bytes, 2)));
        }
    }

    [Fact]
    public void Bind_ImpliedReshape_TakesBothShapes()
    {
        var model = Model(8, Tensor("IN", DataType.Int32, 1) with { Reshape = [], IsReshapeImplied = true });
        RequestBinder.Bind(Request(("IN", DataType.Int32, [2], 8)), model);
        RequestBinder.Bind(Request(("IN", DataType.Int32, [2, 1], 8)), model);
        Refused(
            model, $"unexpected shape for input 'IN' for model 'm'. Expected [-1], got [2,2].{Note}",
            ("IN", DataType.Int32, [2, 2], 16));
    }

    [Fact]
    public void Bind_ReusedRequest_AllocatesNothing()
    {
        var request = new InferRequest();
        var data = new ReadOnlySequence<byte>(new byte[64]);

        void Once()
        {
            for (var i = 0; i < 2; i++)
            {
                ref var input = ref request.AddInput();
                input.Name = request.AddText(i == 0 ? "INPUT0"u8 : "INPUT1"u8);
                input.DataType = DataType.Int32;
                input.Shape = Shape.Create([1, 16]);
                input.Data = data;
                input.HasData = true;
            }

            RequestBinder.Bind(request, Simple);
            request.Reset();
        }

        for (var i = 0; i < 200; i++)
            Once();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
            Once();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static (string, DataType, long[], int) Good(string name) => (name, DataType.Int32, [1, 16], 64);

    private static TensorSettings Tensor(string name, DataType type, params long[] dims) =>
        new() { Name = name, DataType = type, Dims = dims };

    private static ModelSettings Model(int maxBatchSize, params TensorSettings[] inputs) => new()
    {
        Name = "m",
        Version = "1",
        Backend = "fake",
        ModelFolder = "",
        VersionFolder = "",
        ModelFilename = "",
        MaxBatchSize = maxBatchSize,
        Inputs = [.. inputs],
        Outputs = [Tensor("OUTPUT0", DataType.Int32, 16), Tensor("OUTPUT1", DataType.Int32, 16)],
    };

    private static InferRequest Request(params (string Name, DataType Type, long[] Shape, int Length)[] inputs)
    {
        var request = new InferRequest();
        foreach (var (name, type, shape, length) in inputs)
        {
            ref var input = ref request.AddInput();
            input.Name = request.AddText(Encoding.UTF8.GetBytes(name));
            input.DataType = type;
            input.Shape = Shape.Create(shape);
            input.Data = new ReadOnlySequence<byte>(new byte[length]);
            input.HasData = true;
        }

        return request;
    }

    private static void Refused(
        ModelSettings model, string expected, params (string Name, DataType Type, long[] Shape, int Length)[] inputs) =>
        Refused(model, Request(inputs), expected);

    private static void Refused(ModelSettings model, InferRequest request, string expected)
    {
        var error = Assert.Throws<InferenceException>(() => RequestBinder.Bind(request, model));
        Assert.Equal(expected, error.Message);
        Assert.Equal(InferenceCode.InvalidArgument, error.Code);
    }
}
