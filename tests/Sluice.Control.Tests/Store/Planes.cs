using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;

namespace Sluice.Control.Tests.Store;

/// <summary>Control planes for tests.</summary>
internal static class Planes
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static async Task<ControlPlane> StartAsync(string store, string replica = "r1", TimeSpan? poll = null)
    {
        var options = new ControlOptions { Store = store, Replica = replica, PollPeriod = poll ?? TimeSpan.FromMilliseconds(100) };
        var plane = new ControlPlane(options, NullLoggerFactory.Instance, TimeProvider.System);
        await plane.StartAsync(CancellationToken.None);
        return plane;
    }

    /// <summary>Waits until a snapshot is as it should be.</summary>
    public static async Task<ControlSnapshot> UntilAsync(this IControlPlane plane, Func<ControlSnapshot, bool> condition)
    {
        using var limit = new CancellationTokenSource(Patience);
        var snapshot = plane.Snapshot;
        while (!condition(snapshot))
            snapshot = await plane.WaitForChangeAsync(snapshot.Sequence, limit.Token);
        return snapshot;
    }

    /// <summary>Waits for what nobody tells of.</summary>
    public static async Task UntilAsync(Func<Task<bool>> condition)
    {
        var began = Stopwatch.GetTimestamp();
        while (!await condition())
            Assert.True(Stopwatch.GetElapsedTime(began) < Patience, "it did not happen in time");
    }
}
