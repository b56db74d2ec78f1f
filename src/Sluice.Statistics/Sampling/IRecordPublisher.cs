namespace Sluice.Statistics.Sampling;

/// <summary>Takes records of sampled calls for other programs.</summary>
/// <remarks><b>Threads.</b> One at a time; it must not wait.</remarks>
public interface IRecordPublisher
{
    /// <summary>Takes records of one endpoint.</summary>
    /// <param name="server">Where they go.</param>
    /// <param name="endpoint">Key of the endpoint.</param>
    /// <param name="message">A JSON array of objects, lent for the call.</param>
    /// <param name="recordCount">Its length.</param>
    void Publish(string server, string endpoint, ReadOnlySpan<byte> message, int recordCount);
}
