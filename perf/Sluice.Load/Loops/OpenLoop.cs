using System.Diagnostics;
using Sluice.Load.Measuring;
using Sluice.Load.Scenarios;

namespace Sluice.Load.Loops;

/// <summary>Sends on a fixed schedule whatever the server does; latency counts from the moment a request was due.</summary>
internal static class OpenLoop
{
    private const int MaxInFlight = 10_000;

    public static async Task RunAsync(ILoadScenario scenario, Measurement measurement, double rate)
    {
        using var room = new SemaphoreSlim(MaxInFlight);
        var ticksPerRequest = Stopwatch.Frequency / rate;
        for (long i = 0; ; i++)
        {
            var dueAt = measurement.StartedAt + (long)(i * ticksPerRequest);
            if (dueAt >= measurement.EndsAt)
                break;
            await WaitUntilAsync(dueAt);

            // When there is no room the schedule slips, but not the moment that latency is counted from.
            await room.WaitAsync();
            _ = SendAsync(scenario, measurement, room, dueAt);
        }

        for (var i = 0; i < MaxInFlight; i++)
            await room.WaitAsync();
    }

    private static async Task WaitUntilAsync(long dueAt)
    {
        while (true)
        {
            var left = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), dueAt);
            if (left <= TimeSpan.Zero)
                return;

            // Timers tick in milliseconds; the rest is spent giving way to others.
            if (left > TimeSpan.FromMilliseconds(2))
                await Task.Delay(left - TimeSpan.FromMilliseconds(1));
            else
                await Task.Yield();
        }
    }

    private static async Task SendAsync(ILoadScenario scenario, Measurement measurement, SemaphoreSlim room, long dueAt)
    {
        await Task.Yield();
        try
        {
            await scenario.SendAsync();
            measurement.Succeeded(dueAt);
        }
        catch (Exception error)
        {
            measurement.Failed(dueAt, error.Message);
        }
        finally
        {
            room.Release();
        }
    }
}
