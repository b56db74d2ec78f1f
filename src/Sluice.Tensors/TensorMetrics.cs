using System.Diagnostics.Metrics;

namespace Sluice.Tensors;

/// <summary>Publishes a pool's figures; nothing is counted on the hot path for them.</summary>
public sealed class TensorMetrics : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "Sluice.Tensors";

    /// <summary>Bytes out with renters.</summary>
    public const string RentedBytes = "sluice.tensors.pool.rented";

    /// <summary>Bytes lying idle.</summary>
    public const string PooledBytes = "sluice.tensors.pool.idle";

    /// <summary>Buffers out with renters.</summary>
    public const string RentedCount = "sluice.tensors.pool.rented_buffers";

    /// <summary>Allocations of native memory.</summary>
    public const string Misses = "sluice.tensors.pool.misses";

    /// <summary>Buffers refused because of the limit.</summary>
    public const string Refused = "sluice.tensors.pool.refused";

    private readonly Meter _meter;

    /// <summary>Registers the figures of one pool.</summary>
    /// <param name="pool">Read whenever a listener collects.</param>
    /// <param name="meterFactory">Makes the meter; default a meter of its own.</param>
    public TensorMetrics(TensorBufferPool pool, IMeterFactory? meterFactory = null)
    {
        ArgumentNullException.ThrowIfNull(pool);
        _meter = meterFactory?.Create(MeterName) ?? new Meter(MeterName);
        _meter.CreateObservableUpDownCounter(
            RentedBytes, () => pool.RentedBytes, "By", "Native tensor memory out with renters.");
        _meter.CreateObservableUpDownCounter(
            PooledBytes, () => pool.PooledBytes, "By", "Native tensor memory lying idle in the pool.");
        _meter.CreateObservableUpDownCounter(
            RentedCount, () => pool.RentedCount, "{buffer}", "Tensor buffers out with renters.");
        _meter.CreateObservableCounter(
            Misses, () => pool.MissCount, "{allocation}", "Times native memory had to be allocated.");
        _meter.CreateObservableCounter(
            Refused, () => pool.RefusedCount, "{buffer}", "Tensor buffers refused because of the limit.");
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();
}
