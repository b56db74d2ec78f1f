using System.Buffers.Binary;

namespace Sluice.History.Points;

/// <summary>The stored form of a point: whole numbers of variable length, gauges as the shortest float that is exact.</summary>
/// <remarks>Layout: format 1, samples, requests + 1, ok, failed, nanoseconds, two bits per gauge (absent, zero, 4 bytes, 8 bytes), the
/// gauges, then three histograms: number of buckets, and for each the distance to the bucket before and its count.
/// The time is the row's key.</remarks>
internal static class PointCodec
{
    private const byte Format = 1;
    private const int MostBuckets = 4096;

    /// <summary>Writes a point.</summary>
    public static byte[] Write(HistoryPoint point)
    {
        var output = new List<byte>(96) { Format };
        WriteNumber(output, (ulong)point.Samples);
        WriteNumber(output, (ulong)(point.Requests + 1));
        WriteNumber(output, (ulong)point.Ok);
        WriteNumber(output, (ulong)point.Failed);
        WriteNumber(output, (ulong)point.Nanoseconds);
        uint kinds = 0;
        for (var i = 0; i < HistoryPoint.GaugeCount; i++)
            kinds |= Kind(point.Gauges[i]) << (2 * i);
        WriteNumber(output, kinds);
        Span<byte> bytes = stackalloc byte[8];
        foreach (var gauge in point.Gauges)
        {
            switch (Kind(gauge))
            {
                case 2:
                    BinaryPrimitives.WriteSingleLittleEndian(bytes, (float)gauge);
                    output.AddRange(bytes[..4]);
                    break;
                case 3:
                    BinaryPrimitives.WriteDoubleLittleEndian(bytes, gauge);
                    output.AddRange(bytes);
                    break;
            }
        }

        WriteBuckets(output, point.Latency);
        WriteBuckets(output, point.Queue);
        WriteBuckets(output, point.Batches);
        return [.. output];
    }

    /// <summary>Reads a point.</summary>
    /// <returns>Null when the bytes are none: of a newer program, or broken.</returns>
    public static HistoryPoint? Read(long at, ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty || bytes[0] != Format)
            return null;
        bytes = bytes[1..];
        if (!TryReadNumber(ref bytes, out var samples) || !TryReadNumber(ref bytes, out var requests) ||
            !TryReadNumber(ref bytes, out var ok) || !TryReadNumber(ref bytes, out var failed) ||
            !TryReadNumber(ref bytes, out var nanoseconds) || !TryReadGauges(ref bytes, out var gauges) ||
            !TryReadBuckets(ref bytes, out var latency) || !TryReadBuckets(ref bytes, out var queue) ||
            !TryReadBuckets(ref bytes, out var batches) || !bytes.IsEmpty || samples is 0 or > int.MaxValue)
            return null;
        return new HistoryPoint
        {
            At = at,
            Samples = (int)samples,
            Requests = (long)requests - 1,
            Ok = (long)ok,
            Failed = (long)failed,
            Nanoseconds = (long)nanoseconds,
            Gauges = gauges,
            Latency = latency,
            Queue = queue,
            Batches = batches,
        };
    }

    private static uint Kind(double value) => value switch
    {
        double.NaN => 0,
        0 => 1,
        _ => (float)value == value ? 2u : 3u,
    };

    private static void WriteNumber(List<byte> output, ulong number)
    {
        for (; number >= 0x80; number >>= 7)
            output.Add((byte)(number | 0x80));
        output.Add((byte)number);
    }

    private static void WriteBuckets(List<byte> output, IReadOnlyList<BucketCount> buckets)
    {
        WriteNumber(output, (ulong)buckets.Count);
        var last = 0;
        foreach (var (index, count) in buckets)
        {
            WriteNumber(output, (ulong)(index - last));
            WriteNumber(output, (ulong)count);
            last = index;
        }
    }

    private static bool TryReadNumber(ref ReadOnlySpan<byte> bytes, out ulong number)
    {
        number = 0;
        for (var shift = 0; shift < 63 && !bytes.IsEmpty; shift += 7)
        {
            var piece = bytes[0];
            bytes = bytes[1..];
            number |= (ulong)(piece & 0x7F) << shift;
            if (piece < 0x80)
                return true;
        }

        return false;
    }

    private static bool TryReadGauges(ref ReadOnlySpan<byte> bytes, out double[] gauges)
    {
        gauges = HistoryPoint.NoGauges();
        if (!TryReadNumber(ref bytes, out var kinds))
            return false;
        for (var i = 0; i < gauges.Length; i++)
        {
            var kind = (kinds >> (2 * i)) & 3;
            var length = kind switch { 2 => 4, 3 => 8, _ => 0 };
            if (bytes.Length < length)
                return false;
            if (kind > 0)
                gauges[i] = length switch { 4 => BinaryPrimitives.ReadSingleLittleEndian(bytes), 8 => BinaryPrimitives.ReadDoubleLittleEndian(bytes), _ => 0 };
            bytes = bytes[length..];
        }

        return true;
    }

    private static bool TryReadBuckets(ref ReadOnlySpan<byte> bytes, out BucketCount[] buckets)
    {
        buckets = [];
        if (!TryReadNumber(ref bytes, out var count) || count > MostBuckets)
            return false;
        buckets = new BucketCount[count];
        ulong index = 0;
        for (var i = 0; i < buckets.Length; i++)
        {
            if (!TryReadNumber(ref bytes, out var distance) || !TryReadNumber(ref bytes, out var number) ||
                distance > MostBuckets || (index += distance) > MostBuckets)
                return false;
            buckets[i] = new BucketCount((int)index, (long)number);
        }

        return true;
    }
}
