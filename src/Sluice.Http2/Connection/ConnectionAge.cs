using Sluice.Rpc.Transport;

namespace Sluice.Http2.Connection;

/// <summary>When a connection has become too old; spread, so that not all clients return at once.</summary>
internal readonly struct ConnectionAge
{
    private const double Spread = 0.1;

    private readonly long _drainsAt;
    private readonly long _endsAt;

    /// <summary>Begins now.</summary>
    public ConnectionAge(ConnectionOptions options)
    {
        _drainsAt = EndOf(options.MaxAge, Environment.TickCount64, Spread);
        _endsAt = EndOf(options.MaxAgeGrace, _drainsAt, spread: 0);
    }

    /// <summary>It is to end when its calls have ended.</summary>
    public bool IsOver(long now) => now >= _drainsAt;

    /// <summary>It is to end at once.</summary>
    public bool IsGraceOver(long now) => now >= _endsAt;

    private static long EndOf(TimeSpan? time, long from, double spread) => time is { } limit && from != long.MaxValue
        ? from + (long)(limit.TotalMilliseconds * (1 + (((2 * Random.Shared.NextDouble()) - 1) * spread)))
        : long.MaxValue;
}
