using Sluice.Inference;
using Sluice.Scheduling.RateLimit;

namespace Sluice.Scheduling.Tests.RateLimit;

public sealed class RateLimiterTests
{
    [Fact]
    public async Task Acquire_SharesByPriority_WhileAllWant()
    {
        var limiter = new RateLimiter(new RateLimitOptions { IsOn = true });
        RateLimitedSeat[] seats = [Seat(limiter, 1), Seat(limiter, 2), Seat(limiter, 4)];
        var runs = new int[3];
        using var held = Seat(limiter, 1);
        await AskAsync(held);
        var waiting = Array.ConvertAll(seats, seat => AskAsync(seat));
        held.Release();
        for (var i = 0; i < 70; i++)
        {
            var turn = Array.IndexOf(waiting, await Task.WhenAny(waiting));
            runs[turn]++;
            waiting[turn] = AskAgainAsync(seats[turn]);
        }

        Assert.InRange(runs[0], 38, 42);
        Assert.InRange(runs[1], 18, 22);
        Assert.InRange(runs[2], 8, 12);
    }

    [Fact]
    public async Task Acquire_LargeNeed_IsNotStarvedBySmallOnes_AndOthersPass()
    {
        var limiter = new RateLimiter(new RateLimitOptions { IsOn = true, Resources = [new RateLimitResource("R", 2, null)] });
        var (first, second, large, other) = (Seat(limiter, 1), Seat(limiter, 1), Seat(limiter, 1, ("R", 2)), Seat(limiter, 1, ("S", 1)));
        await AskAsync(first);
        var wanted = AskAsync(large);
        var behind = AskAsync(second);
        await AskAsync(other).WaitAsync(TimeSpan.FromSeconds(20));

        // One unit is free, but it is kept for the one that came first and needs two.
        Assert.False(wanted.IsCompleted || behind.IsCompleted);
        first.Release();
        await wanted.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.False(behind.IsCompleted);
        large.Release();
        await behind.WaitAsync(TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task Total_NotGiven_IsThatOfTheNeediestInstance()
    {
        var limiter = new RateLimiter(new RateLimitOptions { IsOn = true });
        var (small, large) = (Seat(limiter, 1), Seat(limiter, 1, ("R", 3)));
        var others = new[] { Seat(limiter, 1), Seat(limiter, 1), Seat(limiter, 1) };
        await AskAsync(small);
        await AskAsync(others[0]);
        await AskAsync(others[1]);
        var fourth = AskAsync(others[2]);
        Assert.False(fourth.IsCompleted);

        // With the neediest gone there is one unit, and three are out.
        large.Dispose();
        small.Release();
        others[0].Release();
        Assert.False(fourth.IsCompleted);
        others[1].Release();
        await fourth.WaitAsync(TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task Waiting_OneThatIsGone_KeepsNothingFromOthers()
    {
        var limiter = new RateLimiter(new RateLimitOptions { IsOn = true });
        var (running, large, behind) = (Seat(limiter, 1, ("R", 2)), Seat(limiter, 1, ("R", 5)), Seat(limiter, 1, ("R", 2)));
        await AskAsync(running);
        _ = AskAsync(large);
        var waiting = AskAsync(behind);

        // Its need can never be met once it does not count itself any more.
        large.Dispose();
        running.Release();
        await waiting.WaitAsync(TimeSpan.FromSeconds(20));
    }

    private static Task AskAsync(RateLimitedSeat seat)
    {
        seat.Ask();
        return seat.WaitAsync().AsTask();
    }

    private static Task AskAgainAsync(RateLimitedSeat seat)
    {
        seat.AskAgain();
        return seat.WaitAsync().AsTask();
    }

    private static RateLimitedSeat Seat(RateLimiter limiter, int priority, params (string Name, long Count)[] needs) => limiter.Add(
        "m",
        new RateLimitSettings
        {
            Priority = priority,
            Needs = [.. needs.DefaultIfEmpty(("R", 1)).Select(need => new RateLimitNeed(need.Name, IsGlobal: true, need.Count))],
        },
        device: 0);
}
