using Sluice.Inference;
using Sluice.Scheduling.Overload;

namespace Sluice.Scheduling.Tests.Overload;

/// <summary>What is worth beginning, by what is in front of it.</summary>
public sealed class AdmissionPolicyTests
{
    private const long Any = long.MaxValue;

    /// <summary>Executions take 100 ticks, the request's own 60; the clock stands at 1,000.</summary>
    [Theory]
    [InlineData("nothing speaks against it", 0, Any, 3, 1, 950, Any, null, 350)]
    [InlineData("it ends at the deadline", 1410, Any, 3, 1, 950, Any, null, 350)]
    [InlineData("it ends after the deadline", 1409, Any, 3, 1, 950, Any, RefusalReason.DeadlineTooSoon, 350)]
    [InlineData("a running execution that is late is as good as done", 1161, Any, 1, 1, 10, Any, null, 100)]
    [InlineData("two instances halve the wait", 1211, Any, 3, 2, 1000, Any, RefusalReason.DeadlineTooSoon, 250)]
    [InlineData("an instance is free", 1161, Any, 1, 1, 0, Any, null, 100)]
    [InlineData("the model accepts so long a wait", 0, Any, 3, 1, 950, 350, null, 350)]
    [InlineData("the model accepts no such wait", 0, Any, 3, 1, 950, 349, RefusalReason.Overload, 350)]
    [InlineData("the queue's policy allows no such wait", 0, 349, 3, 1, 950, Any, RefusalReason.QueueTimeout, 350)]
    [InlineData("the deadline counts before the policy", 1001, 1, 3, 1, 950, 1, RefusalReason.DeadlineTooSoon, 350)]
    public void Decide_ByWhatIsInFront(
        string _, long deadline, long mostWait, long ahead, int instances, long runningSince, long target, RefusalReason? expected, long wait)
    {
        var view = new AdmissionView(1000, deadline, mostWait, false, ahead, instances, runningSince, 100, 60);
        var decision = AdmissionPolicy.Decide(in view, target);
        Assert.Equal(expected, decision.Reason);
        if (expected is not null)
            Assert.Equal(wait, decision.WaitTicks);
        if (expected is not null)
            Assert.True(decision.RetryTicks > 0);
    }

    [Theory]
    [InlineData(true, 100)]
    [InlineData(false, 0)]
    public void Decide_IdleOrUnknownModel_IsAlwaysTried(bool isIdle, long batchTicks)
    {
        var view = new AdmissionView(1000, 1001, 0, isIdle, 99, 1, 0, batchTicks, batchTicks);
        Assert.Null(AdmissionPolicy.Decide(in view, 0).Reason);
    }

    /// <summary>Executions take 100 ticks; the clock stands at 1,000.</summary>
    [Theory]
    [InlineData("a slot comes in time", 1400, 0, 300, 100, Any, null)]
    [InlineData("a slot comes too late", 1399, 0, 300, 100, Any, RefusalReason.DeadlineTooSoon)]
    [InlineData("its sequence has steps before it, too", 1599, 2, 300, 100, Any, RefusalReason.DeadlineTooSoon)]
    [InlineData("nothing is known of executions yet", 1300, 2, 300, 0, Any, null)]
    [InlineData("the wait for a slot is a wait", 0, 0, 300, 100, 299, RefusalReason.Overload)]
    public void Decide_ASequenceWithoutASlot_WaitsForOneFirst(
        string _, long deadline, long ahead, long slotTicks, long batchTicks, long target, RefusalReason? expected)
    {
        var view = new AdmissionView(1000, deadline, Any, false, ahead, 1, 0, batchTicks, batchTicks, slotTicks);
        Assert.Equal(expected, AdmissionPolicy.Decide(in view, target).Reason);
    }

    [Fact]
    public void Times_FollowTheModel_AndGuessHopefully()
    {
        var times = new BatchTimes();
        Assert.Equal(0, times.Predict(4));
        times.Observe(1, 100);
        Assert.Equal((100, 100), (times.Predict(1), times.Predict(64)));
        times.Observe(64, 800);
        Assert.Equal((100, 100, 800, 800), (times.Predict(1), times.Predict(32), times.Predict(64), times.Predict(127)));
        for (var i = 0; i < 60; i++)
            times.Observe(64, 400);
        Assert.InRange(times.Predict(64), 400, 410);
        times = new BatchTimes();
        times.Observe(64, 800);
        Assert.Equal(800, times.Predict(2));
    }

    [Fact]
    public void Sojourn_OnlyAQueueThatStandsIsOverload()
    {
        var watch = new SojournWatch(intervalTicks: 100);
        void Look(long waited, long now, bool expected)
        {
            watch.Observe(waited, target: 20, now);
            Assert.Equal(expected, watch.IsOverloaded);
        }

        Look(30, 0, false);
        Look(50, 99, false);
        Look(20, 100, false);   // One that waited no longer than is good: it was a burst.
        Look(21, 110, false);
        Look(90, 209, false);
        Look(90, 210, true);
        Look(90, 900, true);
        Look(20, 901, false);
    }
}
