using System.Net;
using System.Net.Sockets;

namespace Sluice.Rpc.Transport;

/// <summary>Makes the sockets that front ends listen on.</summary>
public static class ListenSockets
{
    private const string UnixPrefix = "unix:";

    /// <summary>Reads an address as options give it: an IP address, <c>localhost</c>, or <c>unix:PATH</c>.</summary>
    /// <param name="address">The text.</param>
    /// <param name="port">Port of an IP address.</param>
    /// <returns>Null when it is none.</returns>
    public static EndPoint? Parse(string address, int port)
    {
        if (address.StartsWith(UnixPrefix, StringComparison.Ordinal))
            return ParseUnix(address[UnixPrefix.Length..]);
        return IPAddress.TryParse(address == "localhost" ? "127.0.0.1" : address, out var parsed) ? new IPEndPoint(parsed, port) : null;
    }

    /// <summary>Makes a bound socket; the caller listens on it and disposes it.</summary>
    /// <param name="endPoint">Where.</param>
    /// <param name="reusesPort">Whether other processes may have the same port.</param>
    /// <exception cref="SocketException">The port is taken.</exception>
    public static Socket CreateBound(EndPoint endPoint, bool reusesPort)
    {
        if (endPoint is UnixDomainSocketEndPoint unix)
            RemoveStale(unix);
        var protocol = endPoint is UnixDomainSocketEndPoint ? ProtocolType.Unspecified : ProtocolType.Tcp;
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, protocol);
        try
        {
            if (endPoint is IPEndPoint { Address: var address } && address.Equals(IPAddress.IPv6Any))
                socket.DualMode = true;
            if (reusesPort && endPoint is IPEndPoint)
                ReusePort(socket);
            socket.Bind(endPoint);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static UnixDomainSocketEndPoint? ParseUnix(string path)
    {
        // gRPC writes an absolute path after two slashes, too.
        if (path.StartsWith("//", StringComparison.Ordinal))
            path = path[2..];
        try
        {
            return path.Length > 0 ? new UnixDomainSocketEndPoint(path) : null;
        }
        catch (ArgumentOutOfRangeException)
        {
            // The system bounds such paths to about a hundred characters.
            return null;
        }
    }

    /// <summary>A process that was killed leaves its socket's file behind; one that answers is left alone.</summary>
    private static void RemoveStale(UnixDomainSocketEndPoint endPoint)
    {
        var path = endPoint.ToString();
        if (!File.Exists(path))
            return;
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(endPoint);
        }
        catch (SocketException refused) when (refused.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
        }
    }

    private static void ReusePort(Socket socket)
    {
        // <asm-generic/socket.h> on Linux, <sys/socket.h> elsewhere.
        var (level, name) = OperatingSystem.IsLinux() ? (1, 15) : (0xffff, 0x0200);
        socket.SetRawSocketOption(level, name, BitConverter.GetBytes(1));
    }
}
