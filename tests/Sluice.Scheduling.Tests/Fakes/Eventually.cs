using System.Diagnostics;

namespace Sluice.Scheduling.Tests;

/// <summary>Waits for what a scheduler does a moment after it has answered; there is no event for it.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static async Task TrueAsync(Func<bool> condition)
    {
        var began = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(began) < Patience, "it did not happen in time");
            await Task.Yield();
        }
    }
}
