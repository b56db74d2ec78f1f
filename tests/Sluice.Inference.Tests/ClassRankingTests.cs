using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Sluice.Tensors;

namespace Sluice.Inference.Tests;

public sealed class ClassRankingTests : IDisposable
{
    private readonly List<string> _leaks = [];
    private readonly TensorBufferPool _pool;

    public ClassRankingTests() => _pool = new TensorBufferPool(new TensorBufferPoolOptions { Debug = true, OnLeak = _leaks.Add });

    public void Dispose()
    {
        Assert.Equal(0, _pool.RentedCount);
        _pool.Dispose();
        Assert.Empty(_leaks);
    }

    /// <summary>What C++'s to_string prints, taken from the C library's printf.</summary>
    [Theory]
    [InlineData(0.75f, "0.750000")]
    [InlineData(0.1f, "0.100000")]
    [InlineData(-0.0f, "-0.000000")]
    [InlineData(1e-7f, "0.000000")]
    [InlineData(-1e-7f, "-0.000000")]
    [InlineData(0.0000005f, "0.000000")]
    [InlineData(0.00000051f, "0.000001")]
    [InlineData(16777216f, "16777216.000000")]
    [InlineData(123456.789f, "123456.789062")]
    [InlineData(3.4028235e38f, "340282346638528859811704183484516925440.000000")]
    [InlineData(float.PositiveInfinity, "inf")]
    [InlineData(float.NegativeInfinity, "-inf")]
    public void Format_Float_IsThatOfCpp(float value, string expected) => Assert.Equal(expected, Format(value));

    [Theory]
    [InlineData(2.5, "2.500000")]
    [InlineData(0.0000005, "0.000000")]
    [InlineData(0.0000015, "0.000002")]
    [InlineData(1e22, "10000000000000000000000.000000")]
    [InlineData(0.1, "0.100000")]
    public void Format_Double_IsThatOfCpp(double value, string expected) => Assert.Equal(expected, Format(value));

    [Fact]
    public void Format_LargestDouble_FitsAndIsExact()
    {
        var text = Format(double.MaxValue);
        Assert.StartsWith("17976931348623157081452742373170435679", text, StringComparison.Ordinal);
        Assert.Equal(309 + 7, text.Length);
    }

    [Fact]
    public void Format_Integers_ArePlain()
    {
        Assert.Equal("-128", Format(sbyte.MinValue));
        Assert.Equal("200", Format((byte)200));
        Assert.Equal("18446744073709551615", Format(ulong.MaxValue));
    }

    [Fact]
    public void FindBest_AnyValues_AreThoseOfAStableSort()
    {
        var random = new Random(7);
        for (var round = 0; round < 500; round++)
        {
            var values = Enumerable.Range(0, random.Next(1, 60)).Select(_ => random.Next(0, 10)).ToArray();
            var best = new int[random.Next(1, values.Length + 1)];
            ClassRanking.FindBest<int>(values, best);
            Assert.Equal(Enumerable.Range(0, values.Length).OrderByDescending(i => values[i]).Take(best.Length), best);
        }
    }

    [Fact]
    public void FindBest_NotANumber_ComesLast()
    {
        var best = new int[5];
        ClassRanking.FindBest<float>([float.NaN, 1, float.NaN, 3, float.NegativeInfinity], best);
        Assert.Equal([3, 1, 4, 0, 2], best);
    }

    [Fact]
    public void Apply_Rows_AreRankedEachOnItsOwn()
    {
        var request = Request(maxBatchSize: 4, "cat\ndog", DataType.Fp32, [2, 3], MemoryMarshal.AsBytes<float>([1, 3, 2, 6, 4, 5]));
        ClassRanking.Apply(request, ref request.OutputAt(0), 2, _pool);
        Assert.Equal(["3.000000:1:dog", "2.000000:2", "6.000000:0:cat", "5.000000:2"], Texts(request));
        Assert.Equal("[2,2]", request.Outputs[0].Shape.ToString());
        Assert.Equal(DataType.Bytes, request.Outputs[0].DataType);
        request.Reset();
    }

    [Fact]
    public void Apply_ModelWithoutBatches_RanksAllDimensionsAsOne()
    {
        var request = Request(maxBatchSize: 0, "", DataType.Int8, [2, 2], [5, 250, 7, 6]);
        ClassRanking.Apply(request, ref request.OutputAt(0), 99, _pool);
        Assert.Equal(["7:2", "6:3", "5:0", "-6:1"], Texts(request));
        Assert.Equal("[4]", request.Outputs[0].Shape.ToString());
        request.Reset();
    }

    [Fact]
    public void Apply_NoRows_GivesNoTexts()
    {
        var request = Request(maxBatchSize: 4, "", DataType.Fp32, [0, 3], []);
        ClassRanking.Apply(request, ref request.OutputAt(0), 2, _pool);
        Assert.Equal("[0,0]", request.Outputs[0].Shape.ToString());
        Assert.Equal(0, request.Outputs[0].Length);
        request.Reset();
    }

    [Theory]
    [InlineData(DataType.Bool)]
    [InlineData(DataType.Fp16)]
    [InlineData(DataType.Bf16)]
    [InlineData(DataType.Bytes)]
    public void CheckType_TypeWithoutOrder_IsRefused(DataType type)
    {
        var error = Assert.Throws<InferenceException>(() => ClassRanking.CheckType(type));
        Assert.Equal($"class result not available for output due to unsupported type '{type.WireName()}'", error.Message);
    }

    [Fact]
    public void Apply_MoreThanAMillionElements_IsRefused()
    {
        var request = Request(maxBatchSize: 0, "", DataType.Int8, [1_000_001], new byte[1_000_001]);
        var error = Assert.Throws<InferenceException>(
            () => ClassRanking.Apply(request, ref request.OutputAt(0), 1, _pool));
        Assert.Equal("classification output tensor too large", error.Message);
        request.Reset();
    }

    private InferRequest Request(int maxBatchSize, string labels, DataType type, long[] shape, ReadOnlySpan<byte> data)
    {
        var request = new InferRequest
        {
            NeedsPlacement = true,
            Settings = new ModelSettings
            {
                Name = "m",
                Version = "1",
                Backend = "b",
                ModelFolder = "",
                VersionFolder = "",
                ModelFilename = "",
                MaxBatchSize = maxBatchSize,
                Outputs =
                [
                    new TensorSettings
                    {
                        Name = "OUT",
                        DataType = type,
                        Dims = [-1],
                        Labels = labels.Length == 0 ? [] : [.. labels.Split('\n').Select(Encoding.UTF8.GetBytes)],
                    },
                ],
            },
        };
        var buffer = _pool.Rent(data.Length);
        data.CopyTo(buffer.GetSpan());
        request.Placement.OwnOutput(buffer);
        request.AddOutput() = new OutputTensor { DataType = type, Shape = Shape.Create(shape), Buffer = buffer, Length = data.Length };
        return request;
    }

    private static List<string> Texts(InferRequest request)
    {
        var texts = new List<string>();
        for (var data = request.Outputs[0].Data; !data.IsEmpty;)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(data);
            texts.Add(Encoding.UTF8.GetString(data.Slice(4, length)));
            data = data[(4 + length)..];
        }

        return texts;
    }

    private static string Format<T>(T value)
        where T : System.Numerics.INumber<T>
    {
        Span<byte> target = stackalloc byte[400];
        return Encoding.ASCII.GetString(target[..ClassRanking.Format(value, target)]);
    }
}
