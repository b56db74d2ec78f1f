namespace Sluice.Http2.Tests;

/// <summary>Transports that a case runs against.</summary>
public static class Transports
{
    /// <summary>Ours on event loops, ours on managed sockets, and Kestrel.</summary>
    public static TheoryData<Transport> All => [.. Enum.GetValues<Transport>()];

    /// <summary>Ours only.</summary>
    public static TheoryData<Transport> Own => [Transport.Native, Transport.Sockets];
}
