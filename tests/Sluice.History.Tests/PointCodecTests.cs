using Sluice.History.Points;

namespace Sluice.History.Tests;

/// <summary>The stored form of points: what is written reads back, what is torn reads as nothing.</summary>
public sealed class PointCodecTests
{
    [Fact]
    public void Points_OfAnyKind_ReadBackAsTheyWere()
    {
        var random = new Random(5);
        for (var i = 0; i < 2000; i++)
        {
            var point = Any(random);
            var read = PointCodec.Read(point.At, PointCodec.Write(point))!;
            Assert.Equal(point.Gauges, read.Gauges);
            Assert.Equal(
                (point.At, point.Samples, point.Requests, point.Ok, point.Failed, point.Nanoseconds),
                (read.At, read.Samples, read.Requests, read.Ok, read.Failed, read.Nanoseconds));
            Assert.Equal(point.Latency, read.Latency);
            Assert.Equal(point.Queue, read.Queue);
            Assert.Equal(point.Batches, read.Batches);
        }
    }

    [Fact]
    public void Bytes_ThatAreTornOrTurned_NeverThrow_AndTornOnesAreNothing()
    {
        var random = new Random(6);
        for (var i = 0; i < 500; i++)
        {
            var bytes = PointCodec.Write(Any(random));
            Assert.Null(PointCodec.Read(1, bytes.AsSpan(0, random.Next(bytes.Length))));
            bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
            _ = PointCodec.Read(1, bytes);
            random.NextBytes(bytes);
            _ = PointCodec.Read(1, bytes);
        }

        Assert.Null(PointCodec.Read(1, []));
    }

    [Fact]
    public void Point_OfABusyEndpoint_TakesTheBytesThatTheReadmeStates()
    {
        var idle = new HistoryPoint { At = 1 };
        var gauges = HistoryPoint.NoGauges();
        for (var i = 0; i < gauges.Length; i++)
            gauges[i] = i is (int)Gauge.GpuCount or (int)Gauge.GpuUtil ? double.NaN : 1000.25 * i;
        var busy = idle with
        {
            Requests = 1_000_000_000,
            Gauges = gauges,
            Ok = 300_000,
            Nanoseconds = 90_000_000_000,
            Latency = [.. Enumerable.Range(120, 30).Select(bucket => new BucketCount(bucket, 10_000))],
            Queue = [.. Enumerable.Range(90, 10).Select(bucket => new BucketCount(bucket, 30_000))],
            Batches = [new(0, 1), new(6, 20_000)],
        };
        Assert.InRange(PointCodec.Write(idle).Length, 1, 20);
        Assert.InRange(PointCodec.Write(busy).Length, 100, 250);
    }

    internal static HistoryPoint Any(Random random)
    {
        var gauges = HistoryPoint.NoGauges();
        for (var i = 0; i < gauges.Length; i++)
            gauges[i] = random.Next(5) switch { 0 => double.NaN, 1 => 0, 2 => random.Next(100_000), 3 => random.NextDouble(), _ => random.NextDouble() * 1e12 };
        return new HistoryPoint
        {
            At = random.NextInt64(1L << 45),
            Samples = random.Next(1, 1000),
            Requests = random.NextInt64(-1, 1L << random.Next(1, 60)),
            Gauges = gauges,
            Ok = random.NextInt64(1L << random.Next(1, 60)),
            Failed = random.Next(100),
            Nanoseconds = random.NextInt64(1L << 60),
            Latency = Buckets(random),
            Queue = Buckets(random),
            Batches = Buckets(random),
        };
    }

    private static BucketCount[] Buckets(Random random) =>
        [.. Enumerable.Range(0, 376).Where(_ => random.Next(20) == 0).Select(index => new BucketCount(index, random.NextInt64(1, 1L << 40)))];
}
