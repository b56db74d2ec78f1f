using System.Collections.Concurrent;
using Sluice.Control.Records;
using Sluice.Control.Store;
using Sluice.Inference;

namespace Sluice.Control;

/// <summary>How endpoints stand: this replica's from memory, others' from the store.</summary>
/// <remarks><b>Threads.</b> Any number of callers; one loop writes to the store what was told since the last time.</remarks>
public sealed class StatusBoard : IEndpointStatusSink
{
    private static readonly TimeSpan WritePeriod = TimeSpan.FromMilliseconds(250);

    private readonly StatusStore _store;
    private readonly ControlOptions _options;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<(string ServiceId, string Endpoint), EndpointStatus> _own = new();
    private readonly ConcurrentDictionary<(string ServiceId, string Endpoint), byte> _dirty = new();
    private long _sequence;

    internal StatusBoard(StatusStore store, ControlOptions options, TimeProvider time)
    {
        _store = store;
        _options = options;
        _time = time;
    }

    /// <inheritdoc/>
    public string Replica => _options.Replica;

    /// <summary>Grows with each word about this replica's endpoints.</summary>
    public long Sequence => Interlocked.Read(ref _sequence);

    /// <inheritdoc/>
    public void Report(EndpointStatus status)
    {
        var key = (status.ServiceId, status.Endpoint);
        _own[key] = status with { Replica = Replica, UpdatedAt = _time.GetUtcNow().Rounded() };
        Touch(key);
    }

    /// <inheritdoc/>
    public void Remove(string serviceId, string endpoint)
    {
        if (_own.TryRemove((serviceId, endpoint), out _))
            Touch((serviceId, endpoint));
    }

    /// <summary>Lists how all replicas stand with a service's endpoints, by endpoint and replica.</summary>
    /// <remarks>While the store does not answer: this replica's only.</remarks>
    public async Task<IReadOnlyList<EndpointStatus>> ListAsync(string serviceId, CancellationToken cancellationToken)
    {
        IReadOnlyList<EndpointStatus> stored;
        try
        {
            stored = await _store.ReadAsync(serviceId, cancellationToken).ConfigureAwait(false);
        }
        catch (InferenceException error) when (error.Code == InferenceCode.Unavailable)
        {
            stored = [];
        }

        return
        [
            .. stored.Where(status => status.Replica != Replica).Concat(_own.Values.Where(status => status.ServiceId == serviceId))
                .OrderBy(status => status.Endpoint, StringComparer.Ordinal).ThenBy(status => status.Replica, StringComparer.Ordinal),
        ];
    }

    internal async Task RunAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(WritePeriod, _time);
        var refreshed = _time.GetTimestamp();
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
            {
                try
                {
                    await WriteAsync(cancellationToken).ConfigureAwait(false);
                    if (_time.GetElapsedTime(refreshed) < _options.ReplicaSilence / 4)
                        continue;
                    await _store.RefreshAsync(Replica, _options.ReplicaSilence, cancellationToken).ConfigureAwait(false);
                    refreshed = _time.GetTimestamp();
                }
                catch (InferenceException)
                {
                    // What was not written stays dirty; that the store is lost is told by who reads it.
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
    }

    internal async Task ForgetAsync()
    {
        if (_own.IsEmpty && _dirty.IsEmpty)
            return;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        try
        {
            await _store.ForgetAsync(Replica, limit.Token).ConfigureAwait(false);
        }
        catch (Exception error) when (error is InferenceException or OperationCanceledException)
        {
            // Others forget it when it has been silent for long enough.
        }
    }

    private void Touch((string ServiceId, string Endpoint) key)
    {
        _dirty[key] = 0;
        Interlocked.Increment(ref _sequence);
    }

    private async Task WriteAsync(CancellationToken cancellationToken)
    {
        var keys = _dirty.Keys.ToList();
        if (keys.Count == 0)
            return;
        foreach (var key in keys)
            _dirty.TryRemove(key, out _);
        try
        {
            var changes = keys.ConvertAll(key => (key.ServiceId, key.Endpoint, _own.GetValueOrDefault(key)));
            await _store.WriteAsync(Replica, changes, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            foreach (var key in keys)
                _dirty[key] = 0;
            throw;
        }
    }
}
