using System.Diagnostics;

namespace Sluice.Functional.Tests.Infrastructure;

/// <summary>Waits for what the server does a moment after it has answered; there is no event for it.</summary>
internal static class Eventually
{
    public static async Task TrueAsync(Func<bool> condition, Func<string> describe)
    {
        var began = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(began) < ServerFixture.Patience, describe());
            await Task.Yield();
        }
    }
}
