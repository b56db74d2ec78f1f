using System.Globalization;
using Sluice.Inference;

namespace Sluice.Scheduling.RateLimit;

/// <summary>Where an instance runs and what it needs to; instances with the same <see cref="Kind"/> are as good as each other.</summary>
/// <param name="placement">Where it runs.</param>
/// <param name="limit">Its place in the rate limiter; null = it may run whenever it likes. Disposed with the seat.</param>
/// <param name="needs">What a run needs; null = nothing.</param>
internal sealed class InstanceSeat(InstancePlacement placement, RateLimitedSeat? limit, RateLimitSettings? needs) : IDisposable
{
    public RateLimitedSeat? Limit => limit;

    /// <summary>What makes it different from others.</summary>
    public string Kind { get; } = KindOf(placement, needs);

    /// <summary>Describes instances that are as good as each other.</summary>
    public static string KindOf(InstancePlacement placement, RateLimitSettings? needs) => string.Create(
        CultureInfo.InvariantCulture,
        $"{placement.Kind} {placement.DeviceId} {needs?.Priority} {string.Join(',', needs?.Needs.Select(need => need.ToString()) ?? [])}");

    public void Dispose() => limit?.Dispose();
}
