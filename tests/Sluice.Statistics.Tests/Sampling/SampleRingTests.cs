using Sluice.Inference;
using Sluice.Statistics.Sampling;

namespace Sluice.Statistics.Tests.Sampling;

public sealed class SampleRingTests
{
    private static readonly SamplingPlan Plan = new() { Endpoint = "m" };

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
                Assert.Equal(i, ring.Peek()!.Ticks);
                ring.Release();
            }

            Assert.Null(ring.Peek());
        }
    }

    [Fact]
    public void Ring_PlaceNotPublished_HoldsUpTheReaderAndNoWriter()
    {
        var ring = new SampleRing(4);
        Assert.True(ring.TryRent(out var slow, out var ticket));
        Assert.True(TryWrite(ring, 2));
        Assert.Null(ring.Peek());
        slow.Begin(Plan, 1);
        ring.Publish(ticket);
        Assert.Equal(1, ring.Peek()!.Ticks);
        ring.Release();
        Assert.Equal(2, ring.Peek()!.Ticks);
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
            if (ring.Peek() is not { } record)
            {
                Thread.Yield();
                continue;
            }

            var writer = record.Ticks / each;
            Assert.Equal(next[writer]++, record.Ticks % each);
            ring.Release();
            seen++;
        }

        await Task.WhenAll(writing);
        Assert.Null(ring.Peek());
    }

    private static bool TryWrite(SampleRing ring, long number)
    {
        if (!ring.TryRent(out var record, out var ticket))
            return false;
        record.Begin(Plan, number);
        ring.Publish(ticket);
        return true;
    }
}
