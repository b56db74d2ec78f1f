using Sluice.Statistics.Sampling;

namespace Sluice.Statistics.Tests.Sampling;

public sealed class SampleRingTests
{
    [Fact]
    public void Ring_Full_RefusesUntilAPlaceIsReleased_AndKeepsOrder()
    {
        var ring = new SampleRing(4);
        for (var round = 0; round < 10; round++)
        {
            for (var i = 0; i < 4; i++)
                Assert.True(TryWrite(ring, i));
            Assert.False(TryWrite(ring, 99));
            for (var i = 0; i < 4; i++)
            {
                Assert.Equal(i, Peek(ring));
                ring.Release();
            }

            Assert.False(ring.TryPeek(out _));
        }
    }

    [Fact]
    public void Ring_PlaceNotPublished_HoldsUpTheReaderAndNoWriter()
    {
        var ring = new SampleRing(4);
        Assert.True(ring.TryRent(out var ticket));
        Assert.True(TryWrite(ring, 2));
        Assert.False(ring.TryPeek(out _));
        ring.At(ticket).Ticks = 1;
        ring.Publish(ticket);
        Assert.Equal(1, Peek(ring));
        ring.Release();
        Assert.Equal(2, Peek(ring));
    }

    [Fact]
    public async Task Ring_ManyWriters_NothingIsLostOrSeenTwice()
    {
        const int writers = 4, each = 50_000;
        var ring = new SampleRing(64);
        var writing = Enumerable.Range(0, writers).Select(writer => Task.Run(() =>
        {
            for (var i = 0; i < each; i++)
            {
                while (!TryWrite(ring, (writer * (long)each) + i))
                    Thread.Yield();
            }
        })).ToArray();
        var next = new long[writers];
        for (var seen = 0; seen < writers * each;)
        {
            if (!ring.TryPeek(out var ticket))
            {
                Thread.Yield();
                continue;
            }

            var number = ring.At(ticket).Ticks;
            Assert.Equal(next[number / each]++, number % each);
            ring.Release();
            seen++;
        }

        await Task.WhenAll(writing);
        Assert.False(ring.TryPeek(out _));
    }

    /// <summary>Buffers are as many as calls need at a time, and not one for each place.</summary>
    [Fact]
    public void Ring_AllOfWhosePlacesWereUsed_HasFewRecords()
    {
        var ring = new SampleRing(8192);
        var seen = new HashSet<SampleRecord>();
        for (var i = 0; i < 20_000; i++)
        {
            Assert.True(ring.TryRent(out var ticket));
            Assert.True(ring.TryRentRecord(out var record));
            ring.At(ticket).Record = record;
            Assert.True(record.Values.MoveNext() is false && record.Custom.IsEmpty);
            record.AddJson(0, "1"u8);
            seen.Add(record);
            ring.Publish(ticket);
            Assert.True(ring.TryPeek(out ticket));
            ring.Release();
            Assert.Null(ring.At(ticket).Record);
        }

        Assert.InRange(seen.Count, 1, 2048);
    }

    private static long Peek(SampleRing ring)
    {
        Assert.True(ring.TryPeek(out var ticket));
        return ring.At(ticket).Ticks;
    }

    private static bool TryWrite(SampleRing ring, long number)
    {
        if (!ring.TryRent(out var ticket))
            return false;
        ring.At(ticket).Ticks = number;
        ring.Publish(ticket);
        return true;
    }
}
