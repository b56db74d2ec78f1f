using Microsoft.Extensions.Logging;
using Sluice.Control.Endpoints;

namespace Sluice.Control.Reconciler;

/// <summary>What all slots share.</summary>
internal sealed class SlotParts(
    EndpointLoader loader, EndpointTable table, IEndpointStatusSink statuses, ReconcilerOptions options, ILogger logger, TimeProvider time)
    : IDisposable
{
    private readonly HashSet<Task> _retirements = [];

    public EndpointLoader Loader => loader;

    public EndpointTable Table => table;

    public IEndpointStatusSink Statuses => statuses;

    public ILogger Logger => logger;

    /// <summary>Bounds the loads at a time.</summary>
    public SemaphoreSlim Loads { get; } = new(options.LoadCount, options.LoadCount);

    /// <summary>Waits longer after each attempt; ends early when something else is wanted.</summary>
    public async Task WaitForRetryAsync(int attempt, CancellationToken change)
    {
        var delay = options.FirstRetryDelay * Math.Pow(2, Math.Min(attempt - 1, 20));
        await Task.Delay(delay < options.LongestRetryDelay ? delay : options.LongestRetryDelay, time, change)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Remembers a task that runs beside everything, for the end.</summary>
    public void Track(Task task)
    {
        lock (_retirements)
        {
            _retirements.RemoveWhere(known => known.IsCompleted);
            _retirements.Add(task);
        }
    }

    /// <summary>Waits until everything retired so far is gone.</summary>
    public Task DrainAsync()
    {
        lock (_retirements)
            return Task.WhenAll(_retirements);
    }

    public void Dispose() => Loads.Dispose();
}
