using System.Diagnostics;
using System.Globalization;

namespace Sluice.Protocol.Metadata;

/// <summary>Parses and writes <c>grpc-timeout</c>: one to eight digits and a unit (gRPC over HTTP/2 specification).</summary>
public static class GrpcTimeout
{
    private const int MaxDigits = 8;

    /// <summary>Parses a header's value.</summary>
    /// <param name="value">Such as <c>100m</c> for 100 milliseconds.</param>
    /// <param name="timeout">The time left when the header was written.</param>
    /// <returns>False for anything that the specification does not allow.</returns>
    public static bool TryParse(ReadOnlySpan<char> value, out TimeSpan timeout)
    {
        timeout = default;
        if (value.Length is < 2 or > MaxDigits + 1)
            return false;
        long amount = 0;
        foreach (var digit in value[..^1])
        {
            if (!char.IsAsciiDigit(digit))
                return false;
            amount = (amount * 10) + (digit - '0');
        }

        long ticksPerUnit = value[^1] switch
        {
            'H' => TimeSpan.TicksPerHour,
            'M' => TimeSpan.TicksPerMinute,
            'S' => TimeSpan.TicksPerSecond,
            'm' => TimeSpan.TicksPerMillisecond,
            'u' => TimeSpan.TicksPerMicrosecond,
            'n' => 0,
            _ => -1,
        };
        if (ticksPerUnit < 0)
            return false;
        timeout = ticksPerUnit == 0
            ? TimeSpan.FromTicks((amount + TimeSpan.NanosecondsPerTick - 1) / TimeSpan.NanosecondsPerTick)
            : TimeSpan.FromTicks(amount * ticksPerUnit);
        return true;
    }

    /// <summary>Writes a time-out in the finest unit that fits eight digits, never longer than it is.</summary>
    public static string Format(TimeSpan timeout)
    {
        var ticks = Math.Max(0, timeout.Ticks);
        (char Unit, long Ticks)[] units =
        [
            ('u', TimeSpan.TicksPerMicrosecond), ('m', TimeSpan.TicksPerMillisecond), ('S', TimeSpan.TicksPerSecond),
            ('M', TimeSpan.TicksPerMinute), ('H', TimeSpan.TicksPerHour),
        ];
        foreach (var (unit, ticksPerUnit) in units)
        {
            if (ticks / ticksPerUnit < 100_000_000)
                return string.Create(CultureInfo.InvariantCulture, $"{ticks / ticksPerUnit}{unit}");
        }

        return "99999999H";
    }

    /// <summary>Returns the moment a time-out from now, on the clock of <see cref="Stopwatch"/>.</summary>
    /// <remarks>Clients that mean "never" send hundreds of years, more than the clock can count: those end at its end.</remarks>
    public static long ToDeadline(TimeSpan timeout)
    {
        var now = Stopwatch.GetTimestamp();
        return now + (long)Math.Min(timeout.TotalSeconds * Stopwatch.Frequency, long.MaxValue - now - 1024);
    }
}
