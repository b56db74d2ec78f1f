using System.Collections.Concurrent;
using System.Diagnostics;
using Sluice.Scheduling.Timing;

namespace Sluice.Scheduling.Tests;

public sealed class PrecisionTimerTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public void Schedule_SeveralTargets_AreCalledInTheOrderOfTheirTimesAndNeverEarly()
    {
        using var timer = new PrecisionTimer();
        using var calls = new BlockingCollection<Target>();
        using var gate = new Gate(timer);
        var start = timer.Now;
        var targets = new[] { 3000, 1000, 2000 }.Select(delay => new Target(timer, calls) { Wanted = start + Ticks(delay) }).ToArray();
        foreach (var target in targets)
            timer.Schedule(target, target.Wanted);
        gate.Open();
        var order = new List<long>();
        for (var i = 0; i < targets.Length; i++)
        {
            Assert.True(calls.TryTake(out var target, Patience));
            Assert.True(target.CalledAt >= target.Wanted);
            Assert.Equal(long.MaxValue, ((ITimerTarget)target).DueAt);
            order.Add(target.Wanted);
        }

        Assert.Equal(order.Order(), order);
    }

    [Fact]
    public void Schedule_EarlierForTheSameTarget_ReplacesAndCallsOnce()
    {
        using var timer = new PrecisionTimer();
        using var calls = new BlockingCollection<Target>();
        var (target, last) = (new Target(timer, calls), new Target(timer, calls));
        using var gate = new Gate(timer);
        var start = timer.Now;
        timer.Schedule(target, start + Ticks(60_000_000));
        timer.Schedule(target, start + Ticks(1000));
        timer.Schedule(target, start + Ticks(2000));
        timer.Schedule(last, start + Ticks(4000));
        gate.Open();
        Assert.True(calls.TryTake(out var first, Patience));
        Assert.Same(target, first);
        Assert.True(calls.TryTake(out var second, Patience));
        Assert.Same(last, second);
    }

    [Fact]
    public void Schedule_AgainFromTheCall_IsCalledAgain()
    {
        using var timer = new PrecisionTimer();
        using var calls = new BlockingCollection<Target>();
        var target = new Target(timer, calls) { Repeats = 5 };
        timer.Schedule(target, timer.Now);
        for (var i = 0; i < 6; i++)
            Assert.True(calls.TryTake(out _, Patience));
    }

    [Fact]
    public void Dispose_WithPendingCalls_DropsThemAndLaterOnes()
    {
        using var calls = new BlockingCollection<Target>();
        var timer = new PrecisionTimer();
        var target = new Target(timer, calls);
        timer.Schedule(target, timer.Now + Ticks(60_000_000));
        timer.Dispose();
        timer.Dispose();
        timer.Schedule(target, timer.Now);
        Assert.Empty(calls);
    }

    private static long Ticks(long microseconds) => microseconds * Stopwatch.Frequency / 1_000_000;

    /// <summary>Holds the timer's thread until a test has scheduled everything.</summary>
    private sealed class Gate : ITimerTarget, IDisposable
    {
        private readonly ManualResetEventSlim _opened = new();

        public Gate(IDelayTimer timer) => timer.Schedule(this, timer.Now);

        long ITimerTarget.DueAt { get; set; } = long.MaxValue;

        public void OnTimer() => _opened.Wait(Patience);

        public void Open() => _opened.Set();

        public void Dispose() => _opened.Dispose();
    }

    private sealed class Target(IDelayTimer timer, BlockingCollection<Target> calls) : ITimerTarget
    {
        public long Wanted { get; init; }

        public long CalledAt { get; private set; }

        public int Repeats { get; set; }

        long ITimerTarget.DueAt { get; set; } = long.MaxValue;

        public void OnTimer()
        {
            CalledAt = timer.Now;
            if (Repeats-- > 0)
                timer.Schedule(this, timer.Now + Ticks(100));
            calls.Add(this);
        }
    }
}
