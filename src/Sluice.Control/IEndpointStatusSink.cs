using Sluice.Control.Records;

namespace Sluice.Control;

/// <summary>Takes what a replica tells about its endpoints and shows it to callers and to other replicas.</summary>
/// <remarks><b>Threads.</b> Any number of callers; never blocks, never fails: what the store cannot take now is told later.</remarks>
public interface IEndpointStatusSink
{
    /// <summary>Name of this replica.</summary>
    string Replica { get; }

    /// <summary>Notes how an endpoint stands; the last word counts.</summary>
    void Report(EndpointStatus status);

    /// <summary>Notes that this replica does not have an endpoint any more.</summary>
    void Remove(string serviceId, string endpoint);
}
