namespace Sluice.Control.Store;

/// <summary>Times as both databases store them: microseconds since 1970.</summary>
internal static class StoreTime
{
    public static long ToMicroseconds(this DateTimeOffset time) => (time.UtcTicks - DateTimeOffset.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond;

    public static DateTimeOffset FromMicroseconds(long microseconds) =>
        new(DateTimeOffset.UnixEpoch.Ticks + (microseconds * TimeSpan.TicksPerMicrosecond), TimeSpan.Zero);

    /// <summary>The time without what the store would cut off.</summary>
    public static DateTimeOffset Rounded(this DateTimeOffset time) => FromMicroseconds(time.ToMicroseconds());
}
