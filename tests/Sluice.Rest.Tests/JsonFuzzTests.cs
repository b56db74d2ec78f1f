using System.Buffers;
using System.Text;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Rest.Generate;
using Sluice.Rest.Infer;
using Sluice.Rest.Tests.Fakes;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Rest.Tests;

/// <summary>Feeds damaged bodies to the readers of inference: they may refuse them in their own words, and keep nothing.</summary>
public sealed class JsonFuzzTests
{
    private const int Rounds = 8000;

    private static readonly byte[][] Pieces =
    [
        .. new[]
        {
            "{", "}", "[", "]", ":", ",", "\"", "\\", "\\ud800", "\\u0000", "null", "true", "1e999", "-1", "0.5", "1e400", "NaN",
            "9223372036854775808", "18446744073709551616", "\"data\":", "\"shape\":[", "\"binary_data_size\":", "\"Infinity\"",
            "\"shared_memory_region\":\"r\",", "\"shared_memory_byte_size\":1,", "[[[[[[[[[[[[", "{\"a\":", "\"parameters\":{", " ",
        }.Select(Encoding.UTF8.GetBytes),
        [0xC3], [0xED, 0xA0, 0x80], [0xFF], [0],
    ];

    private static readonly byte[][] InferSeeds = [.. new[]
    {
        """{"id":"a","inputs":[{"name":"IN_INT32","shape":[2,2],"datatype":"INT32","data":[[1,2],[3,4]]}],"outputs":[{"name":"OUT_INT32","parameters":{"binary_data":true}}]}""",
        """{"inputs":[{"data":["a","\u00e4"],"name":"IN_BYTES","datatype":"BYTES","shape":[2]},{"name":"IN_FP64","shape":[1],"datatype":"FP64","data":["NaN"]}]}""",
        """{"parameters":{"binary_data_output":true,"priority":1,"timeout":5,"sequence_id":"x","k":0.5},"inputs":[{"name":"IN_UINT8","shape":[3],"datatype":"UINT8","parameters":{"binary_data_size":3}}]}""",
        """{"inputs":[{"name":"IN_FP32","shape":[1],"datatype":"FP32","parameters":{"shared_memory_region":"r","shared_memory_byte_size":4,"shared_memory_offset":8}}],"outputs":[{"name":"OUT_FP32","parameters":{"classification":2}}]}""",
        """{"inputs":[{"name":"IN_BOOL","shape":[2],"datatype":"BOOL","data":[true,0]},{"name":"IN_INT64","shape":[0],"datatype":"INT64","data":[]}]}""",
    }.Select(Encoding.UTF8.GetBytes)];

    private static readonly byte[][] GenerateSeeds = [.. new[]
    {
        """{"id":"42","TEXT":"gr\u00fc\u00dfe","parameters":{"FLAG":true,"temperature":0.5},"LIST":[1,2,3,4],"top":7,"model_name":"x"}""",
        """{"TEXT":["a"],"FLAG":false,"REAL":[1.5,"NaN"]}""",
    }.Select(Encoding.UTF8.GetBytes)];

    private static readonly ModelMetadataResponse Model = new()
    {
        Name = "m",
        Inputs =
        {
            Tensor("TEXT", "BYTES", 1), Tensor("FLAG", "BOOL", 1), Tensor("LIST", "INT32", -1, 4), Tensor("REAL", "FP64", -1),
        },
    };

    [Fact]
    public void Infer_DamagedBody_ThrowsNothingButItsOwnErrors() => Run(20261101, InferSeeds, (body, random, request, pool) =>
    {
        var json = SplitBytes.AtRandom(body, random);
        InferJsonReader.Read(in json, request, pool);
        BinaryExtension.Assign(SplitBytes.AtRandom(new byte[random.Next(2) * 3], random), request);
        RequestBinder.Bind(request, FakeEngine.Settings);
    });

    [Fact]
    public void Generate_DamagedBody_ThrowsNothingButItsOwnErrors() => Run(20261102, GenerateSeeds, (body, random, request, pool) =>
    {
        var json = SplitBytes.AtRandom(body, random);
        GenerateJsonReader.Read(in json, Model, request, pool);
    });

    [Fact]
    public void Raw_AnyBodyAndModel_ThrowsNothingButItsOwnErrors() => Run(20261103, InferSeeds, (body, random, request, pool) =>
    {
        var config = new ModelConfig { Name = "m", MaxBatchSize = random.Next(2) };
        for (var i = random.Next(4) == 0 ? 0 : 1; i > 0; i--)
            config.Input.Add(new ModelInput { Name = "x", DataType = (Protocol.Inference.DataType)random.Next(1, 15), Dims = { Dims(random) } });
        RawInput.Apply(new ReadOnlySequence<byte>(body), config, request, pool);
    });

    private static long[] Dims(Random random) =>
        [.. Enumerable.Range(0, random.Next(4)).Select(_ => random.Next(5) == 0 ? -1 : random.Next(6) == 0 ? random.NextInt64() : random.Next(9))];

    private static ModelMetadataResponse.Types.TensorMetadata Tensor(string name, string type, params long[] shape) =>
        new() { Name = name, Datatype = type, Shape = { shape } };

    private static void Run(int firstSeed, byte[][] seeds, Action<byte[], Random, InferRequest, TensorBufferPool> read)
    {
        var (accepted, total) = (0, 0);
        foreach (var seed in Fuzz.Seeds(firstSeed, Rounds))
        {
            var random = new Random(seed);
            var whole = seeds[random.Next(seeds.Length)];
            var body = random.Next(16) == 0 ? whole : Fuzz.Damage(random, whole, Pieces);
            using var pool = new TensorBufferPool(new TensorBufferPoolOptions { MaxBytes = 1 << 20, TrimAfter = default });
            var request = new InferRequest();
            total++;
            try
            {
                read(body, random, request, pool);
                accepted++;
            }
            catch (Exception error) when (error is InferenceException or TensorPoolExhaustedException)
            {
            }
            catch (Exception error)
            {
                Assert.Fail($"seed {seed}: {Encoding.UTF8.GetString(body)}\n{error}");
            }

            request.Reset();
            Assert.True(pool.RentedCount == 0, $"seed {seed}: {pool.RentedCount} buffers are out");
        }

        // Both outcomes must occur, or the damage is of the wrong size.
        Assert.InRange(accepted, total / 200, total * 199 / 200);
    }
}
