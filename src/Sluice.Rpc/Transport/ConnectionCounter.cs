namespace Sluice.Rpc.Transport;

/// <summary>Counts the connections of a port.</summary>
/// <remarks><b>Threads.</b> Any number.</remarks>
public sealed class ConnectionCounter
{
    private long _open;
    private long _total;

    /// <summary>Connections that are open.</summary>
    public long Open => Interlocked.Read(ref _open);

    /// <summary>Connections that were ever opened.</summary>
    public long Total => Interlocked.Read(ref _total);

    /// <summary>A connection was opened.</summary>
    public void OnOpened()
    {
        Interlocked.Increment(ref _open);
        Interlocked.Increment(ref _total);
    }

    /// <summary>It was closed.</summary>
    public void OnClosed() => Interlocked.Decrement(ref _open);
}
