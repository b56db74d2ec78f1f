namespace Sluice.Rpc.Transport;

/// <summary>A transport that listens and serves calls by the dispatcher that it was made with.</summary>
public interface IRpcServer : IAsyncDisposable
{
    /// <summary>Addresses that are listened on, once started.</summary>
    IReadOnlyList<Uri> Addresses { get; }

    /// <summary>The port's connections.</summary>
    ConnectionCounter Connections { get; }

    /// <summary>What the transport has counted besides connections and calls, by a name for each kind.</summary>
    IReadOnlyList<(string Kind, long Count)> Events => [];

    /// <summary>Begins to listen.</summary>
    /// <exception cref="IOException">The address is taken.</exception>
    Task StartAsync(CancellationToken cancellationToken);

    /// <summary>Refuses new calls, lets running ones end, closes connections.</summary>
    /// <param name="cancellationToken">Ends the waiting: what still runs is aborted.</param>
    Task StopAsync(CancellationToken cancellationToken);
}
