using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Sluice.Inference;
using Sluice.Rest.Serve;
using Sluice.Tensors;

namespace Sluice.Rest.Tests.Serve;

public sealed class TensorObjectTests : IDisposable
{
    private readonly TensorBufferPool _pool = new(new TensorBufferPoolOptions());
    private readonly InferRequest _request = new();

    public void Dispose()
    {
        _request.Reset();
        Assert.Equal(0, _pool.RentedCount);
        _pool.Dispose();
    }

    [Theory]
    [InlineData("[[1, 2], [3, 4]]", 8, new long[] { 2 }, "[2,2]")]
    [InlineData("[1, 2]", 8, new long[] { 2 }, "[1,2]")]
    [InlineData("[[1, 2]]", 0, new long[] { -1, 2 }, "[1,2]")]
    [InlineData("[1, 2]", 0, new long[] { -1, 2 }, "[1,2]")]
    [InlineData("[1, 2, 3, 4]", 0, new long[] { -1, 2 }, "[2,2]")]
    [InlineData("5", 0, new long[] { 1 }, "[1]")]
    [InlineData("5", 8, new long[] { 1 }, "[1,1]")]
    [InlineData("5", 0, new long[] { -1, -1 }, "[1,1]")]
    [InlineData("[[1, 2], [3, 4]]", 0, new long[] { 1, 2, 2 }, "[1,2,2]")]
    [InlineData("[]", 0, new long[] { -1 }, "[0]")]
    [InlineData("[[], []]", 0, new long[] { -1, -1 }, "[2,0]")]
    [InlineData("[1, 2, 3]", 0, new long[] { 2, 2 }, "[3]")]
    public void Shape_ComesFromTheNesting_AndIsFittedToTheModel(string value, int maxBatch, long[] dims, string shape)
    {
        Read($"{{\"x\": {value}}}", DataType.Int64, dims, maxBatch);
        Assert.Equal(shape, _request.Inputs[0].Shape.ToString());
    }

    [Theory]
    [InlineData("[[1, 2], [3]]", "different lengths or depths")]
    [InlineData("[1, [2]]", "different lengths or depths")]
    [InlineData("[[1], 2]", "different lengths or depths")]
    [InlineData("{\"a\": 1}", "must be a number")]
    [InlineData("[{}]", "must be a number")]
    [InlineData("null", "must be a number")]
    [InlineData("[1.5]", "is no value of type INT64")]
    [InlineData("\"a\"", "is no value of type INT64")]
    public void WrongValues_NameTheInput(string value, string message)
    {
        var error = Assert.Throws<InferenceException>(() => Read($"{{\"x\": {value}}}", DataType.Int64, [-1], 0));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Contains("'x'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void UnknownInput_IsRefused_WithTheNamesThereAre()
    {
        var error = Assert.Throws<InferenceException>(() => Read("{\"y\": 1}", DataType.Int64, [-1], 0));
        Assert.Contains("its inputs are: 'x'", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(DataType.Fp16, 1.5f)]
    [InlineData(DataType.Bf16, 1.5f)]
    [InlineData(DataType.Fp16, 65504f)]
    [InlineData(DataType.Bf16, -3.389531e38f)]
    public void Halves_GoThroughJson(DataType type, float value)
    {
        Read($"{{\"x\": [{value.ToString("R", System.Globalization.CultureInfo.InvariantCulture)}]}}", type, [-1], 0);
        var bits = MemoryMarshal.Read<ushort>(_request.Inputs[0].Owned!.GetSpan());
        Assert.Equal(type, _request.Inputs[0].DataType);
        Assert.Equal(1, HalfNumbers.ToSingle(bits, type) / value, 1e-2);
    }

    [Fact]
    public void EveryBit16Number_SurvivesTheWayOutAndBack()
    {
        foreach (var type in new[] { DataType.Fp16, DataType.Bf16 })
        {
            for (var bits = 0; bits <= ushort.MaxValue; bits++)
            {
                var value = HalfNumbers.ToSingle((ushort)bits, type);
                if (!float.IsNaN(value))
                    Assert.Equal((ushort)bits, HalfNumbers.FromSingle(value, type));
            }
        }
    }

    [Fact]
    public void Strings_KeepTheirNesting()
    {
        Read("{\"x\": [[\"a\", \"é\"], [\"\", \"b\"]]}", DataType.Bytes, [-1, 2], 0);
        Assert.Equal("[2,2]", _request.Inputs[0].Shape.ToString());
        Assert.Equal(16 + 1 + 2 + 1, _request.Inputs[0].Owned!.Length);
    }

    [Fact]
    public void Fuzz_EndsInAValueOrARefusal()
    {
        var random = new Random(11);
        var seed = Encoding.UTF8.GetBytes("{\"x\": [[1, 2, -3], [4, 5, 6]]}");
        for (var i = 0; i < 5000; i++)
        {
            var body = (byte[])seed.Clone();
            for (var change = 0; change < 2; change++)
                body[random.Next(body.Length)] = (byte)random.Next(256);
            try
            {
                Read(Encoding.Latin1.GetString(body), DataType.Int32, [-1, 3], 0);
            }
            catch (Exception error) when (error is InferenceException or JsonException)
            {
                // Refused.
            }

            _request.Reset();
        }
    }

    private void Read(string json, DataType type, long[] dims, int maxBatch)
    {
        var settings = new ModelSettings
        {
            Name = "m",
            Version = "1",
            Backend = "b",
            ModelFolder = "",
            VersionFolder = "",
            ModelFilename = "",
            MaxBatchSize = maxBatch,
            Inputs = ImmutableArray.Create(new TensorSettings { Name = "x", DataType = type, Dims = dims }),
        };
        TensorObjectReader.Read(Encoding.UTF8.GetBytes(json), settings, _request, _pool, "e");
    }
}
