using System.Net;
using System.Net.Sockets;

namespace Sluice.Testing;

/// <summary>
/// Ports for programs that cannot take port 0. They lie below those that Linux, left as it comes, gives to connections and to
/// port 0, and none is given twice, so that nothing takes one between this call and its use.
/// </summary>
public static class FreePort
{
    private const int First = 20_000;
    private const int Count = 12_000;

    // Tests of several processes begin at different places.
    private static int _next = Environment.ProcessId * 97;

    /// <summary>Gives a TCP port that nothing listens on, on any address.</summary>
    public static int Take()
    {
        for (var tries = 0; tries < Count; tries++)
        {
            var port = First + (int)((uint)Interlocked.Increment(ref _next) % Count);
            using var probe = new TcpListener(IPAddress.Any, port) { ExclusiveAddressUse = true };
            try
            {
                probe.Start();
                return port;
            }
            catch (SocketException)
            {
                // Taken; the next one may not be.
            }
        }

        throw new InvalidOperationException($"all ports from {First} to {First + Count - 1} are taken");
    }
}
