using System.Net;
using Sluice.Client.Framing;
using Sluice.Inference;
using Sluice.Protocol.Metadata;

namespace Sluice.Client.Calls;

/// <summary>The connections to one server and how a call's request looks on them.</summary>
internal sealed class RpcChannel : IDisposable
{
    private static readonly string UserAgent =
        $"sluice-dotnet/{typeof(RpcChannel).Assembly.GetName().Version?.ToString(3) ?? "0"}";

    private readonly HttpMessageInvoker _invoker;
    private readonly Uri _address;

    public RpcChannel(Uri address, SluiceClientOptions options)
    {
        _address = address;
        Options = options;
        var handler = new SocketsHttpHandler
        {
            // More connections when one has no stream left; without it callers would queue in silence.
            EnableMultipleHttp2Connections = true,
            InitialHttp2StreamWindowSize = options.StreamWindowBytes,
            ConnectTimeout = options.ConnectTimeout,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            UseProxy = false,
        };
        options.ConfigureHandler?.Invoke(handler);
        _invoker = new HttpMessageInvoker(handler, disposeHandler: true);
    }

    public SluiceClientOptions Options { get; }

    public void Dispose() => _invoker.Dispose();

    /// <summary>Sends a request; completes when the response's headers are there.</summary>
    public Task<HttpResponseMessage> SendAsync(
        string path, HttpContent content, CallOptions call, bool isCompressed, CallDeadline deadline)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(_address, path))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        var headers = request.Headers;
        headers.TryAddWithoutValidation("te", "trailers");
        headers.TryAddWithoutValidation("user-agent", UserAgent);
        headers.TryAddWithoutValidation("grpc-accept-encoding", "identity,gzip,deflate");
        if (isCompressed)
            headers.TryAddWithoutValidation("grpc-encoding", "gzip");
        if (deadline.Left is { } left)
            headers.TryAddWithoutValidation("grpc-timeout", GrpcTimeout.Format(left));
        if (call.Metadata is not null)
        {
            foreach (var (key, value) in call.Metadata)
                headers.TryAddWithoutValidation(key, value);
        }

        return _invoker.SendAsync(request, deadline.Token);
    }

    public bool IsCompressed(CallOptions call) => call.CompressesRequest ?? Options.CompressesRequests;

    public CallDeadline Begin(CallOptions call, CancellationToken cancellationToken) =>
        new(call.Timeout ?? Options.DefaultTimeout, Options.TimeProvider, cancellationToken);

    /// <summary>Checks a response's head and begins to read its body.</summary>
    public async Task<FrameReader> OpenBodyAsync(HttpResponseMessage response, CallOptions call, CallDeadline deadline)
    {
        ResponseStatus.CheckHead(response, call.ReceivedMetadata);
        var body = await response.Content.ReadAsStreamAsync(deadline.Token).ConfigureAwait(false);
        var encoding = response.Headers.NonValidated.TryGetValues("grpc-encoding", out var values) ? values.ToString() : null;
        return new FrameReader(body, encoding, Options.MaxReceiveMessageBytes);
    }

    /// <summary>Reads the next message; at the end looks at the status.</summary>
    /// <exception cref="SluiceException">The call failed; the server's own status comes before what it led to.</exception>
    public static async ValueTask<ReceivedMessage?> ReadAsync(
        FrameReader reader, HttpResponseMessage response, CallOptions call, CallDeadline deadline)
    {
        ReceivedMessage? message = null;
        try
        {
            message = await reader.ReadAsync(deadline.Token).ConfigureAwait(false);
        }
        catch (SluiceException error) when (error.Code == InferenceCode.Internal && ResponseStatus.HasFailed(response))
        {
            // Cut off because it failed: the status below says why.
        }

        if (message is null)
            ResponseStatus.CheckTrailers(response, call.ReceivedMetadata);
        return message;
    }
}
