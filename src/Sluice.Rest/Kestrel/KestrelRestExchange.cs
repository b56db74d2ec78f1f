using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;
using Sluice.Rest.Calls;
using Sluice.Rest.Transport;

namespace Sluice.Rest.Kestrel;

/// <summary>A request of Kestrel, without HttpContext; kept with Kestrel's own connection.</summary>
internal sealed class KestrelRestExchange(RestCall call) : IRestExchange
{
    private IFeatureCollection _features = null!;
    private IHttpRequestFeature _request = null!;
    private IHttpResponseFeature _response = null!;

    /// <summary>The call that is served on this connection, one after the other.</summary>
    public RestCall Call { get; } = call;

    public string Method => _request.Method;

    public string Target => _request.RawTarget;

    public long? ContentLength => _request.Headers.ContentLength;

    public PipeReader Body => _features.Get<IRequestBodyPipeFeature>()!.Reader;

    public PipeWriter Output => _features.Get<IHttpResponseBodyFeature>()!.Writer;

    public CancellationToken Aborted => _features.Get<IHttpRequestLifetimeFeature>()!.RequestAborted;

    public int Status => _response.StatusCode;

    public bool CanSetStatus => !_response.HasStarted;

    public void Begin(IFeatureCollection features)
    {
        _features = features;
        _request = features.Get<IHttpRequestFeature>()!;
        _response = features.Get<IHttpResponseFeature>()!;
    }

    public string? RequestHeader(string name)
    {
        var values = _request.Headers[name];
        return values.Count == 0 ? null : values.ToString();
    }

    public IEnumerable<KeyValuePair<string, string>> RequestHeaders() =>
        _request.Headers.Select(header => KeyValuePair.Create(header.Key, header.Value.ToString()));

    public void SetHead(int status, string? contentType, long contentLength)
    {
        _response.StatusCode = status;
        _response.Headers.ContentLength = contentLength < 0 ? null : contentLength;
        if (contentType is not null)
            _response.Headers.ContentType = new StringValues(contentType);

        // Starting now lets the body go straight behind the head; before the start Kestrel collects it elsewhere and copies
        // it. Nothing is sent by it, and it never waits because no callback is registered.
        if (contentLength != 0)
            _features.Get<IHttpResponseBodyFeature>()!.StartAsync().GetAwaiter().GetResult();
    }

    public void SetHeader(string name, string value) => _response.Headers[name] = new StringValues(value);

    public int StatusOf(Exception error) => error is BadHttpRequestException refused ? refused.StatusCode : 0;
}
