using System.Net;
using System.Net.Sockets;

namespace Sluice.Control.Tests.Artifacts;

/// <summary>Passes connections on to a server, and cuts the first ones after so many bytes of their answers.</summary>
internal sealed class CuttingProxy : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly string _target;
    private readonly int _cutAfter;
    private int _cutsLeft;

    public CuttingProxy(string target, int cuts, int cutAfter)
    {
        (_target, _cutsLeft, _cutAfter) = (target, cuts, cutAfter);
        _listener.Start();
        _ = AcceptAsync();
    }

    public string Address => $"127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    /// <summary>Answers that were cut.</summary>
    public int CutCount { get; private set; }

    public void Dispose()
    {
        _stopping.Cancel();
        _listener.Stop();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = ServeAsync(await _listener.AcceptTcpClientAsync(_stopping.Token));
        }
        catch (Exception error) when (error is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        using (var server = new TcpClient())
        {
            try
            {
                await server.ConnectAsync(IPEndPoint.Parse(_target), _stopping.Token);
                var up = client.GetStream().CopyToAsync(server.GetStream(), _stopping.Token);
                var down = AnswerAsync(server.GetStream(), client.GetStream());
                await Task.WhenAny(up, down);
            }
            catch (Exception error) when (error is IOException or SocketException or OperationCanceledException)
            {
            }
        }
    }

    private async Task AnswerAsync(NetworkStream from, NetworkStream to)
    {
        var buffer = new byte[16 * 1024];
        var total = 0;
        while (await from.ReadAsync(buffer, _stopping.Token) is var count and > 0)
        {
            total += count;
            if (total > _cutAfter && _cutsLeft > 0)
            {
                _cutsLeft--;
                CutCount++;
                return;
            }

            await to.WriteAsync(buffer.AsMemory(0, count), _stopping.Token);
        }
    }
}
