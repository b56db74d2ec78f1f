using System.Diagnostics;
using System.Globalization;
using FsCheck.Fluent;
using Google.Protobuf;
using Sluice.Inference;
using Sluice.Protocol.Codec;
using Sluice.Protocol.Wire;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Protocol.Tests;

/// <summary>Feeds damaged messages to the reader: it may refuse them in its own words, and takes no memory on their say-so.</summary>
/// <remarks>Set <c>SLUICE_FUZZ_SECONDS</c> for a longer run with new damage; a failure prints its seed.</remarks>
public sealed class InferRequestFuzzTests
{
    private const int Rounds = 40_000;

    private static readonly byte[][] Huge =
    [
        [0xFF, 0xFF, 0xFF, 0xFF, 0x07], [0xFF, 0xFF, 0xFF, 0xFF, 0x0F], [0x80, 0x80, 0x80, 0x80, 0x08],
        [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], [0xFF, 0x7F],
    ];

    [Fact]
    public void Read_DamagedMessage_ThrowsNothingButItsOwnErrors()
    {
        var seeds = Seeds();
        var accepted = Enumerable.Range(0, Rounds).Count(round => Try(seeds, 20260802 + round));

        // Both outcomes must occur, or the damage is of the wrong size.
        Assert.InRange(accepted, Rounds / 100, Rounds * 99 / 100);
    }

    [Fact]
    public void Read_NewDamage_ForAsLongAsAskedFor()
    {
        var seconds = double.Parse(
            Environment.GetEnvironmentVariable("SLUICE_FUZZ_SECONDS") ?? "0.5", CultureInfo.InvariantCulture);
        var seeds = Seeds();
        var seed = Environment.TickCount;
        for (var watch = Stopwatch.StartNew(); watch.Elapsed.TotalSeconds < seconds; seed++)
            Try(seeds, seed);
    }

    private static byte[][] Seeds() =>
    [
        .. RequestGenerator.Requests.Sample(60, 50).Select((message, i) =>
            i % 2 == 0 ? message.ToByteArray() : new OddEncoder(new Random(i)).Encode(message)).Where(bytes => bytes.Length > 0),
    ];

    private static bool Try(byte[][] seeds, int seed)
    {
        var random = new Random(seed);
        var bytes = Damage(random, seeds[random.Next(seeds.Length)]);
        var message = SplitBytes.AtRandom(bytes, random);
        var isDebug = seed % 16 == 0;
        var leaks = new List<string>();
        using var pool = new TensorBufferPool(
            new TensorBufferPoolOptions { Debug = isDebug, OnLeak = leaks.Add, MaxBytes = 1 << 20, TrimAfter = default });
        var request = new InferRequest();
        var before = GC.GetAllocatedBytesForCurrentThread();
        var isAccepted = false;
        try
        {
            _ = InferRequestReader.FindBulkOffset(in message);
            InferRequestReader.Read(in message, request, pool);
            isAccepted = true;
        }
        catch (Exception error) when (error is InferenceException or WireFormatException or TensorPoolExhaustedException)
        {
        }
        catch (Exception error)
        {
            Assert.Fail($"seed {seed}: {error}");
        }

        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(isDebug || allocated <= 65_536 + (512L * bytes.Length), $"seed {seed}: {allocated} B for {bytes.Length} B");
        Assert.True(pool.RentedBytes <= 64L * (bytes.Length + 1), $"seed {seed}: {pool.RentedBytes} B for {bytes.Length} B");
        request.Reset();
        Assert.True(pool.RentedCount == 0, $"seed {seed}: {pool.RentedCount} buffers are out");
        pool.Dispose();
        Assert.Empty(leaks);
        return isAccepted;
    }

    private static byte[] Damage(Random random, byte[] message)
    {
        var bytes = message.ToList();
        for (var count = random.Next(1, 4); count > 0 && bytes.Count > 0; count--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(7))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 8), bytes.Count - at));
                    break;
                case 3:
                    bytes.InsertRange(at, bytes.GetRange(at, Math.Min(random.Next(1, 30), bytes.Count - at)));
                    break;
                case 4:
                    // As if it were a tag: the same field, coded in another way.
                    bytes[at] = (byte)((bytes[at] & ~7) | random.Next(6));
                    break;
                case 5:
                    bytes.InsertRange(at, Huge[random.Next(Huge.Length)]);
                    break;
                default:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
            }
        }

        return [.. bytes];
    }
}
