using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;
using Sluice.Rpc.Calls;
using Sluice.Rpc.Transport;

namespace Sluice.Rpc.Kestrel;

/// <summary>An HTTP/2 stream of Kestrel, without HttpContext; kept with Kestrel's own pooled stream.</summary>
internal sealed class KestrelRpcExchange : IRpcExchange
{
    // The transport holds no more than this of a large response at a time.
    private const int SendPieceBytes = 256 * 1024;

    private IFeatureCollection _features = null!;
    private IHttpRequestFeature _request = null!;
    private IHttpResponseFeature _response = null!;
    private IHttpResponseTrailersFeature _trailers = null!;
    private IHeaderDictionary _requestHeaders = null!;

    public KestrelRpcExchange(Func<RpcCall> createCall) => Call = createCall();

    /// <summary>The call that is served on this stream, one after the other.</summary>
    public RpcCall Call { get; }

    public string HttpMethod => _request.Method;

    public string Path => _request.Path;

    public PipeReader Body { get; private set; } = null!;

    public PipeWriter Output { get; private set; } = null!;

    public int ConnectionKey => _features.Get<IHttpConnectionFeature>()?.ConnectionId.GetHashCode(StringComparison.Ordinal) ?? 0;

    public bool IsOnSharedThread => false;

    public int DirectSendBytes => SendPieceBytes;

    public CancellationToken Aborted => _features.Get<IHttpRequestLifetimeFeature>()!.RequestAborted;

    public void Begin(IFeatureCollection features)
    {
        _features = features;
        _request = features.Get<IHttpRequestFeature>()!;
        _response = features.Get<IHttpResponseFeature>()!;
        _trailers = features.Get<IHttpResponseTrailersFeature>()!;
        _requestHeaders = _request.Headers;
        Body = features.Get<IRequestBodyPipeFeature>()!.Reader;
        Output = features.Get<IHttpResponseBodyFeature>()!.Writer;
    }

    public string? RequestHeader(string name)
    {
        var values = _requestHeaders[name];
        return values.Count == 0 ? null : values.ToString();
    }

    public IEnumerable<KeyValuePair<string, string>> RequestHeaders()
    {
        foreach (var (name, values) in _requestHeaders)
            yield return new KeyValuePair<string, string>(name, values.ToString());
    }

    public void SetHttpStatus(int status) => _response.StatusCode = status;

    public void SetHeader(string name, string value) => _response.Headers[name] = new StringValues(value);

    public void SetTrailer(string name, string value) => _trailers.Trailers[name] = new StringValues(value);

    public async ValueTask<bool> FillAsync(Memory<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            var result = await Body.ReadAsync().ConfigureAwait(false);
            var buffer = result.Buffer;
            if (result.IsCanceled)
            {
                Body.AdvanceTo(buffer.Start);
                return false;
            }

            if (buffer.Length > destination.Length)
                buffer = buffer.Slice(0, destination.Length);
            buffer.CopyTo(destination.Span);
            destination = destination[(int)buffer.Length..];
            Body.AdvanceTo(buffer.End);
            if (result.IsCompleted && !destination.IsEmpty)
                return false;
        }

        return true;
    }

    public void LeaveSharedThread()
    {
    }

    public async ValueTask<bool> SendAsync(ReadOnlyMemory<byte> memory, bool isLast)
    {
        while (!memory.IsEmpty)
        {
            // Always asked for room: asked for none, Kestrel may give none when the client is gone.
            var piece = Math.Min(memory.Length, SendPieceBytes);
            memory.Span[..piece].CopyTo(Output.GetSpan(piece));
            Output.Advance(piece);
            memory = memory[piece..];
            var result = await Output.FlushAsync().ConfigureAwait(false);
            if (result.IsCompleted || result.IsCanceled)
                return false;
        }

        return true;
    }

    public void Abort(int http2ErrorCode) => _features.Get<IHttpResetFeature>()?.Reset(http2ErrorCode);
}
