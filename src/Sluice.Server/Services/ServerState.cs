using Sluice.Inference;
using Sluice.Models;
using Sluice.Rpc.Health;

namespace Sluice.Server.Services;

/// <summary>Knows whether the server is ready and tells the health service.</summary>
/// <remarks><b>Threads.</b> Any number of readers; the host alone moves it on.</remarks>
public sealed class ServerState(ModelLifecycle lifecycle, ServerOptions options, TimeProvider time) : IHealthSource
{
    private static readonly TimeSpan LookPeriod = TimeSpan.FromMilliseconds(100);

    private volatile bool _isWarm;
    private volatile bool _isStopping;

    /// <summary>Every model that should serve does, the server is warm, and it is not stopping.</summary>
    public bool IsReady =>
        _isWarm && !_isStopping && (options.StrictReadiness ? lifecycle.IsReady : lifecycle.IsStarted);

    /// <summary>The server has begun to stop.</summary>
    public bool IsStopping => _isStopping;

    /// <summary>A number of the current answers: watchers compare it.</summary>
    public long Version
    {
        get
        {
            var hash = new HashCode();
            hash.Add(_isStopping);
            hash.Add(IsReady);
            foreach (var model in lifecycle.Table.Models)
                hash.Add((model.Name, IsServing(model)));
            return hash.ToHashCode();
        }
    }

    /// <summary>The start is over.</summary>
    public void MarkWarm() => _isWarm = true;

    /// <summary>Readiness goes first when the server stops, so that balancers send no more.</summary>
    public void MarkStopping() => _isStopping = true;

    /// <inheritdoc/>
    public bool IsServing(string service) => service.StartsWith("model/", StringComparison.Ordinal)
        ? !_isStopping && lifecycle.Table.Find(service["model/".Length..]) is { } model && IsServing(model)
        : IsReady;

    /// <inheritdoc/>
    public async Task WaitForChangeAsync(long seen, CancellationToken cancellationToken)
    {
        // Who has heard that the server stops waits for nothing more, and would only hold up its end.
        if (_isStopping && Version == seen)
            throw new InferenceException(InferenceCode.Unavailable, "Server exiting");

        // States are looked at only while somebody watches them; a request's path pays nothing for it.
        while (Version == seen)
            await Task.Delay(LookPeriod, time, cancellationToken).ConfigureAwait(false);
    }

    private static bool IsServing(ModelSnapshot model) => model.Latest?.Servable is { HangingCount: 0, IsHealthy: true };
}
