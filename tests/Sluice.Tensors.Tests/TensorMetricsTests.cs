using System.Diagnostics.Metrics;

namespace Sluice.Tensors.Tests;

public sealed class TensorMetricsTests
{
    [Fact]
    public void Metrics_WhenCollected_ShowThePool()
    {
        using var pool = new TensorBufferPool(new TensorBufferPoolOptions { MaxBytes = 1000, Debug = true });
        using var factory = new OneMeterFactory();
        using var metrics = new TensorMetrics(pool, factory);
        var seen = new Dictionary<string, long>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (ReferenceEquals(instrument.Meter, factory.Meter)) self.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => seen[instrument.Name] = value);
        listener.SetMeasurementEventCallback<int>((instrument, value, _, _) => seen[instrument.Name] = value);
        listener.Start();

        using var rented = pool.Rent(128);
        pool.Rent(64).Dispose();
        pool.TryRent(5000, out _);
        listener.RecordObservableInstruments();

        // The refused buffer made the pool give up its idle one.
        Assert.Equal(128, seen[TensorMetrics.RentedBytes]);
        Assert.Equal(0, seen[TensorMetrics.PooledBytes]);
        Assert.Equal(1, seen[TensorMetrics.RentedCount]);
        Assert.Equal(2, seen[TensorMetrics.Misses]);
        Assert.Equal(1, seen[TensorMetrics.Refused]);
    }

    private sealed class OneMeterFactory : IMeterFactory
    {
        public Meter? Meter { get; private set; }

        public Meter Create(MeterOptions options) => Meter = new Meter(options);

        public void Dispose() => Meter?.Dispose();
    }
}
