using System.Buffers;

namespace Sluice.Testing;

/// <summary>Lays bytes out in segments, as a transport's buffers do.</summary>
public static class SplitBytes
{
    /// <summary>Cuts before each of the given offsets; equal ones make empty segments.</summary>
    public static ReadOnlySequence<byte> At(ReadOnlyMemory<byte> bytes, params IEnumerable<int> cuts)
    {
        var first = new Segment(default, null);
        var last = first;
        var start = 0;
        foreach (var cut in cuts.Order())
        {
            last = new Segment(bytes[start..cut], last);
            start = cut;
        }

        last = new Segment(bytes[start..], last);
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    /// <summary>Every byte alone, with an empty segment behind each third.</summary>
    public static ReadOnlySequence<byte> IntoBytes(ReadOnlyMemory<byte> bytes) => At(
        bytes, Enumerable.Range(0, bytes.Length).SelectMany(i => i % 3 == 0 ? [i, i] : new[] { i }));

    /// <summary>The bytes in one piece, in two at each place (some places when there are many), and in many at random.</summary>
    public static IEnumerable<ReadOnlySequence<byte>> InManyWays(byte[] bytes, Random random)
    {
        yield return new ReadOnlySequence<byte>(bytes);
        yield return IntoBytes(bytes);
        var places = bytes.Length <= 256
            ? Enumerable.Range(0, bytes.Length + 1)
            : Enumerable.Range(0, 48).Select(_ => random.Next(bytes.Length + 1));
        foreach (var place in places)
            yield return At(bytes, place);
        for (var i = 0; i < 4; i++)
            yield return AtRandom(bytes, random);
    }

    /// <summary>Up to twelve cuts at random places.</summary>
    public static ReadOnlySequence<byte> AtRandom(ReadOnlyMemory<byte> bytes, Random random) =>
        At(bytes, Enumerable.Range(0, random.Next(12)).Select(_ => random.Next(bytes.Length + 1)).ToArray());

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, Segment? previous)
        {
            Memory = memory;
            if (previous is null)
                return;
            RunningIndex = previous.RunningIndex + previous.Memory.Length;
            previous.Next = this;
        }
    }
}
