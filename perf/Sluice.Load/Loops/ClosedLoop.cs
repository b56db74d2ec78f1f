using System.Diagnostics;
using Sluice.Load.Measuring;
using Sluice.Load.Scenarios;

namespace Sluice.Load.Loops;

/// <summary>A fixed number of callers, each sending its next request when the last is answered.</summary>
internal static class ClosedLoop
{
    public static Task RunAsync(ILoadScenario scenario, Measurement measurement, int concurrency) =>
        Task.WhenAll(Enumerable.Range(0, concurrency).Select(_ => Task.Run(() => CallAsync(scenario, measurement))));

    private static async Task CallAsync(ILoadScenario scenario, Measurement measurement)
    {
        while (measurement.IsRunning)
        {
            var sentAt = Stopwatch.GetTimestamp();
            try
            {
                await scenario.SendAsync();
                measurement.Succeeded(sentAt);
            }
            catch (Exception error)
            {
                measurement.Failed(sentAt, error.Message);

                // A dead server must not turn this into a busy loop.
                await Task.Delay(1);
            }
        }
    }
}
