using Sluice.Inference;
using Sluice.Scheduling.Dynamic;
using Xunit.Abstractions;

namespace Sluice.Scheduling.Tests;

/// <summary>The learning batcher against every static setting of a grid, on synthetic arrivals; time is simulated.</summary>
/// <remarks>What counts is machine time per answer within the objective, among settings that answer (nearly) as many in time.</remarks>
public sealed class BatchTunerTests(ITestOutputHelper output)
{
    private const double Millisecond = 1000;
    private const double Objective = 20 * Millisecond;
    private const int MaxRows = 64;
    private const double Duration = 8_000 * Millisecond;

    public static TheoryData<string, double, double, double> Scenarios
    {
        get
        {
            var data = new TheoryData<string, double, double, double>();
            foreach (var pattern in new[] { "constant", "Poisson", "bursts" })
            {
                foreach (var load in new[] { 0.05, 0.3, 0.6, 0.85 })
                {
                    // Much that is fixed and little for each row, as on a GPU; and the other way round.
                    data.Add(pattern, load, 2, 0.1);
                    data.Add(pattern, load, 0.2, 0.11);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Scenarios))]
    public void Learnt_IsAsGoodAsTheBestStaticSetting(string pattern, double load, double fixedMilliseconds, double eachMilliseconds)
    {
        double Time(int rows) => (fixedMilliseconds + (eachMilliseconds * rows)) * Millisecond;
        var arrivals = Arrivals(pattern, load * MaxRows / Time(MaxRows), Time);
        var results = new List<(string Name, double Good, double Cost)>();
        foreach (var size in new[] { 1, 4, 8, 16, 32, 64 })
        {
            foreach (var delay in new[] { 0, 1, 2, 5, 10, 15, 18 })
            {
                var policy = new BatchPolicy(MaxRows, size < MaxRows ? [size] : [], (long)(delay * Millisecond));
                var (good, cost) = Simulate(arrivals, Time, () => policy, (_, _, _) => { });
                results.Add(($"{size} rows, {delay} ms", good, cost));
            }
        }

        var tuner = new BatchTuner(MaxRows, (long)Objective, instances: 1);
        var learnt = Simulate(arrivals, Time, () => tuner.Policy, tuner.Observe);
        var most = results.Max(result => result.Good);
        var best = results.Where(result => result.Good >= 0.99 * most).MinBy(result => result.Cost);
        output.WriteLine(
            $"{pattern} {load:P0} ({fixedMilliseconds} + {eachMilliseconds} · rows): best static {best.Name}: {best.Good:P1} in time, {best.Cost:F0} µs each; " +
            $"learnt {learnt.Good:P1}, {learnt.Cost:F0} µs each ({learnt.Cost / best.Cost - 1:+0.0 %;-0.0 %})");
        Assert.True(learnt.Good >= 0.95 * most, $"{learnt.Good:P1} in time, of {most:P1}");
        Assert.True(learnt.Cost <= 1.05 * best.Cost, $"{learnt.Cost:F1} µs each, best {best}");
    }

    [Fact]
    public async Task Batcher_WithAnObjective_LearnsToWaitForCompany()
    {
        var settings = TestRequests.Settings(new DynamicBatchingSettings());
        settings = settings with { Parameters = settings.Parameters.Add("slo_ms", "20") };
        await using var fixture = new BatcherFixture(settings);
        for (var i = 0; i < 40; i++)
        {
            var (_, one, run) = await fixture.SendAndStart(1, 2, 3, 4, 5, 6, 7, 8);
            fixture.Timer.Advance(2 * Millisecond);
            run.Finish();
            await one;
        }

        // At first it goes at once; now there is time, and others are likely to come.
        var first = fixture.Send(fixture.Rows(1));
        fixture.Timer.Advance(5 * Millisecond);
        var second = fixture.Send(fixture.Rows(2));
        Assert.False(first.IsCompleted);
        fixture.Timer.Advance(12 * Millisecond);
        var both = await fixture.Instance.NextRunAsync();
        Assert.Equal(TestRequests.Bytes(1, 1, 2, 2), both.Input(0));
        both.Finish();
        await Task.WhenAll(first, second);
    }

    [Fact]
    public void Objective_ThatIsNoNumber_IsRefused()
    {
        var settings = TestRequests.Settings(new DynamicBatchingSettings());
        settings = settings with { Parameters = settings.Parameters.Add("slo_ms", "fast") };
        Assert.Equal(
            "parameter 'slo_ms' of model 'fake' must be a number of milliseconds from 0 (none) to 3600000, not 'fast'",
            Assert.Throws<InferenceException>(() => BatchTuner.For(settings, default, 1)).Message);
    }

    private static List<double> Arrivals(string pattern, double rate, Func<int, double> time)
    {
        var random = new Random(42);
        var arrivals = new List<double>();
        for (double now = 1; now < Duration;)
        {
            if (pattern == "bursts")
            {
                // Half a largest batch at once, then silence.
                for (var i = 0; i < MaxRows / 2; i++)
                    arrivals.Add(now + (i * 0.01 * Millisecond));
                now += MaxRows / 2 / rate * (0.5 + random.NextDouble());
            }
            else
            {
                arrivals.Add(now);
                now += pattern == "constant" ? 1 / rate : -Math.Log(1 - random.NextDouble()) / rate;
            }
        }

        return arrivals;
    }

    /// <summary>One instance; requests of one row.</summary>
    /// <returns>The share answered within the objective, and machine time for each of these, microseconds.</returns>
    private static (double Good, double Cost) Simulate(
        List<double> arrivals, Func<int, double> time, Func<BatchPolicy> policy, Action<int, long, long> observe)
    {
        var random = new Random(7);
        double now = 0, busy = 0;
        var (next, first, good) = (0, 0, 0);
        while (first < arrivals.Count)
        {
            now = Math.Max(now, arrivals[first]);
            while (next < arrivals.Count && arrivals[next] <= now)
                next++;
            var walk = new Waiting(arrivals, first, next);
            var decision = policy().Decide(ref walk, (long)now);
            if (decision.Take == 0)
            {
                // Until the delay is over or another one comes.
                var until = Math.Max(now + 1, decision.WaitUntil);
                now = next < arrivals.Count ? Math.Min(until, arrivals[next]) : until;
                continue;
            }

            var ticks = time(decision.Take) * (0.95 + (0.1 * random.NextDouble()));
            now += ticks;
            busy += ticks;
            for (var i = 0; i < decision.Take; i++)
                good += now - arrivals[first + i] <= Objective ? 1 : 0;
            first += decision.Take;
            observe(decision.Take, (long)ticks, (long)now);
        }

        return ((double)good / arrivals.Count, good == 0 ? double.PositiveInfinity : busy / good);
    }

    private struct Waiting(List<double> arrivals, int first, int end) : IQueueWalk
    {
        private int _next = first;

        public bool TryNext(out WaitingRequest next)
        {
            next = _next < end ? new WaitingRequest(1, (long)arrivals[_next], FitsFirst: true) : default;
            return _next++ < end;
        }
    }
}
