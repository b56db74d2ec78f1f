using System.Buffers;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Sluice.Inference;
using Sluice.Protocol.Codec;
using Sluice.Protocol.Inference;
using Sluice.Protocol.Wire;
using Sluice.Tensors;
using Sluice.Tensors.SharedMemory;
using Sluice.Testing;
using InputMessage = Sluice.Protocol.Inference.ModelInferRequest.Types.InferInputTensor;
using OutputMessage = Sluice.Protocol.Inference.ModelInferRequest.Types.InferRequestedOutputTensor;

namespace Sluice.Protocol.Tests;

/// <summary>Feeds requests with odd places in shared memory, damaged or whole, to the reader and to what follows it.</summary>
public sealed class SharedMemoryFuzzTests : IDisposable
{
    private const int Rounds = 30_000;
    private const int RegionSize = 4096;

    private static readonly long[] Numbers =
        [0, 1, -1, 64, RegionSize - 1, RegionSize, RegionSize + 1, int.MaxValue, 1L << 31, 1L << 32, long.MaxValue, long.MinValue];

    private readonly SharedMemoryFile _file = new(RegionSize);
    private readonly SharedMemoryRegistry _regions = new();

    public void Dispose()
    {
        _regions.Dispose();
        _file.Dispose();
    }

    [Fact]
    public void Attach_AnyPlace_StaysInsideTheRegionOrRefuses()
    {
        _regions.Register("r", _file.Key, 0, RegionSize);
        using var pool = new TensorBufferPool(new TensorBufferPoolOptions { MaxBytes = 1 << 20 });
        var placement = new TensorPlacement(_regions, pool);
        var request = new InferRequest();
        var attached = 0;
        for (var round = 0; round < Rounds; round++)
        {
            attached += Try(new Random(round), request, pool, placement) ? 1 : 0;
            request.Reset();
            Assert.True(_regions.UserCount == 0, $"round {round}");
            Assert.True(pool.RentedCount == 0, $"round {round}");
        }

        // Both outcomes must occur, or the numbers are of the wrong size.
        Assert.InRange(attached, Rounds / 100, Rounds * 99 / 100);
    }

    private static bool Try(Random random, InferRequest request, TensorBufferPool pool, TensorPlacement placement)
    {
        var bytes = Message(random).ToByteArray();
        if (random.Next(2) == 0)
            bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
        try
        {
            InferRequestReader.Read(new ReadOnlySequence<byte>(bytes), request, pool);
            placement.Attach(request);
        }
        catch (Exception error) when (error is InferenceException or WireFormatException or TensorPoolExhaustedException)
        {
            return false;
        }

        foreach (ref var shared in request.Placement.Tensors)
            Assert.True(shared.Offset >= 0 && shared.ByteSize >= 0 && shared.Offset + shared.ByteSize <= RegionSize);
        foreach (ref var input in request.Inputs)
        {
            foreach (var part in input.Data)
                _ = part.Span.IndexOf((byte)1);
        }

        return true;
    }

    private static ModelInferRequest Message(Random random)
    {
        var message = new ModelInferRequest { ModelName = "m" };
        for (var count = random.Next(1, 3); count > 0; count--)
        {
            var input = new InputMessage { Name = $"i{count}", Datatype = random.Next(3) == 0 ? "BYTES" : "FP32", Shape = { 1 } };
            AddPlace(random, input.Parameters);
            if (random.Next(12) == 0)
                input.Contents = new InferTensorContents { Fp32Contents = { 1 } };
            message.Inputs.Add(input);
        }

        var output = new OutputMessage { Name = "o" };
        if (random.Next(2) == 0)
            AddPlace(random, output.Parameters);
        if (random.Next(8) == 0)
            output.Parameters["classification"] = new InferParameter { Int64Param = Numbers[random.Next(Numbers.Length)] };
        message.Outputs.Add(output);
        return message;
    }

    private static void AddPlace(Random random, MapField<string, InferParameter> parameters)
    {
        if (random.Next(16) > 0)
            parameters["shared_memory_region"] = new InferParameter { StringParam = random.Next(16) == 0 ? "unknown" : "r" };
        if (random.Next(16) > 0)
            parameters["shared_memory_byte_size"] = Number(random);
        if (random.Next(2) > 0)
            parameters["shared_memory_offset"] = Number(random);
    }

    private static InferParameter Number(Random random) => random.Next(20) switch
    {
        0 => new InferParameter { StringParam = "1" },
        1 => new InferParameter { Uint64Param = 1 },
        _ => new InferParameter { Int64Param = random.Next(2) == 0 ? random.Next(RegionSize / 2) : Numbers[random.Next(Numbers.Length)] },
    };
}
