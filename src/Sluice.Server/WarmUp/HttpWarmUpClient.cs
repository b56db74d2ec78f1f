using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Sluice.Server.WarmUp;

/// <summary>Sends the same v2 HTTP inference again and again on one connection.</summary>
internal sealed class HttpWarmUpClient : IDisposable
{
    private static readonly byte[] Request = Encoding.ASCII.GetBytes(CreateRequest());

    private readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly byte[] _received = new byte[16 * 1024];

    public Task ConnectAsync(IPEndPoint endPoint) => _socket.ConnectAsync(endPoint);

    /// <summary>Sends one request and waits for its answer.</summary>
    public async Task CallAsync()
    {
        await _socket.SendAsync(Request).ConfigureAwait(false);
        for (var length = 0; !IsWhole(length);)
        {
            var read = await _socket.ReceiveAsync(_received.AsMemory(length)).ConfigureAwait(false);
            if (read == 0)
                throw new IOException("the warm-up's connection was closed");
            length += read;
        }
    }

    public void Dispose() => _socket.Dispose();

    private static string CreateRequest()
    {
        var zeros = string.Join(',', Enumerable.Repeat("0.5", 16));
        var body = "{\"id\":\"1\",\"inputs\":[{\"name\":\"INPUT0\",\"datatype\":\"FP32\",\"shape\":[1,16],\"data\":[" + zeros + "]}]}";
        return $"POST /v2/models/{EchoModel.Settings.Name}/infer HTTP/1.1\r\nHost: localhost\r\n" +
            $"Content-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}";
    }

    private bool IsWhole(int length)
    {
        var text = Encoding.ASCII.GetString(_received, 0, length);
        var headersEnd = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        if (headersEnd < 0)
            return false;
        const string Name = "content-length:";
        var at = text.IndexOf(Name, StringComparison.OrdinalIgnoreCase);
        var lineEnd = at < 0 ? -1 : text.IndexOf('\r', at);
        return lineEnd < 0 ||
            length >= headersEnd + 4 + int.Parse(text.AsSpan(at + Name.Length, lineEnd - at - Name.Length), CultureInfo.InvariantCulture);
    }
}
