using System.Net;
using Sluice.Testing;

namespace Sluice.Functional.Tests.Infrastructure;

/// <summary>Takes OTLP messages over HTTP and keeps their bytes.</summary>
internal sealed class SpanCollector : IDisposable
{
    private readonly HttpListener _listener = new();

    public SpanCollector()
    {
        Url = new Uri($"http://127.0.0.1:{FreePort.Take()}/v1/traces");
        _listener.Prefixes.Add(Url.AbsoluteUri + "/");
        _listener.Start();
    }

    public Uri Url { get; }

    /// <summary>Waits for the next message.</summary>
    public async Task<byte[]> ReceiveAsync()
    {
        var context = await _listener.GetContextAsync().WaitAsync(ServerFixture.Patience);
        using var body = new MemoryStream();
        await context.Request.InputStream.CopyToAsync(body);
        context.Response.Close();
        return body.ToArray();
    }

    public void Dispose() => _listener.Close();
}
