namespace Sluice.Inference;

/// <summary>Takes finished traces.</summary>
/// <remarks><b>Threads.</b> Any number of callers; it never waits, and drops what it has no room for.</remarks>
public interface ITraceSink
{
    /// <summary>Takes one trace; nobody writes to it any more.</summary>
    void Take(RequestTrace trace);
}
