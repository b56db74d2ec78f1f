namespace Sluice.Rpc.Health;

/// <summary>What the health service tells.</summary>
/// <remarks><b>Threads.</b> Any number of callers.</remarks>
public interface IHealthSource
{
    /// <summary>Tells whether a service can take calls.</summary>
    /// <param name="service">Empty or a gRPC service for the server, <c>model/NAME</c> for a model. Names that nobody knows
    /// are answered as the server, because clients of the original rely on that (spec §1.1).</param>
    bool IsServing(string service);

    /// <summary>Completes when any answer may have changed since <paramref name="seen"/>.</summary>
    /// <param name="seen">What an earlier <see cref="Version"/> said.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task WaitForChangeAsync(long seen, CancellationToken cancellationToken);

    /// <summary>Grows with every change.</summary>
    long Version { get; }
}
