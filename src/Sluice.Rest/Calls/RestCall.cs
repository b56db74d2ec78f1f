using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Sluice.Inference;
using Sluice.Rest.Infer;
using Sluice.Rest.Json;
using Sluice.Rest.Routing;
using Sluice.Rest.Transport;
using Sluice.Tensors;

namespace Sluice.Rest.Calls;

/// <summary>One HTTP request while it is served; kept with its connection and used again for the next.</summary>
/// <remarks><b>Threads.</b> One handler at a time; <see cref="CancellationToken"/> may fire on any thread.</remarks>
public sealed class RestCall : ICallLifetime, ICallOrigin
{
    /// <summary>Content type of JSON.</summary>
    internal const string Json = "application/json";

    private const string NoStream = "HTTP end point doesn't support models with decoupled transaction policy";

    // Past this a response is sent piece by piece, so that the transport never holds all of it.
    private const int LargePiece = 256 * 1024;

    private const int Block = 4096;

    private readonly RestListenOptions _options;
    private readonly ResponseBuffer _output;
    private CancellationTokenSource? _cancellation;
    private CancellationTokenRegistration _abortRegistration;
    private InferRequest? _request;
    private string _lastTarget = "";
    private int _lastHeaderLength = -1;
    private string _lastHeaderText = "";

    internal RestCall(RestListenOptions options, TensorBufferPool pool)
    {
        _options = options with { MaxInputBytes = Math.Min(options.MaxInputBytes, Array.MaxLength - TensorBufferPool.Alignment) };
        Pool = pool;
        _output = new ResponseBuffer(pool);
    }

    /// <summary>Memory for bodies and tensors.</summary>
    public TensorBufferPool Pool { get; }

    /// <summary>Name of the model in the path; empty when the route has none.</summary>
    public string Model => Target.Model;

    /// <summary>Version of the model in the path; empty when the path has none.</summary>
    public string Version => Target.Version;

    /// <summary>Collects the response's body until it is sent.</summary>
    public IBufferWriter<byte> Output => _output;

    /// <inheritdoc/>
    public bool IsDeadlineExceeded => false;

    /// <inheritdoc/>
    public CancellationToken CancellationToken
    {
        get
        {
            // Only handlers that wait ask for it, so a call that is answered at once pays nothing.
            if (_cancellation is { } ready && _abortRegistration != default)
                return ready.Token;
            _cancellation ??= new CancellationTokenSource();
            _abortRegistration = Exchange.Aborted.UnsafeRegister(
                static source => ((CancellationTokenSource)source!).Cancel(), _cancellation);
            return _cancellation.Token;
        }
    }

    /// <summary>Cancelled when the server is to end; for answers that would go on and on.</summary>
    public CancellationToken Stopping { get; init; }

    /// <inheritdoc/>
    public void ForwardHeaders(InferRequest request) =>
        _options.ForwardedHeaders?.Apply(request, Exchange.RequestHeaders());

    /// <summary>When the request began, ticks of <see cref="Stopwatch"/>.</summary>
    internal long BeganAt { get; private set; }

    /// <summary>Who calls; null when callers are not asked who they are.</summary>
    internal CallerIdentity? Caller { get; set; }

    // Clients of HTTP/1.1 have many connections, so that a connection tells them apart only roughly.
    int ICallLifetime.ClientKey => Caller?.Name.GetHashCode(StringComparison.Ordinal) ?? RuntimeHelpers.GetHashCode(this);

    string ICallOrigin.FrontEnd => "HTTP";

    long ICallOrigin.BeganAt => BeganAt;

    CallerIdentity? ICallOrigin.Caller => Caller;

    internal IRestExchange Exchange { get; private set; } = null!;

    internal RestTarget Target { get; private set; } = RestTarget.Unknown;

    internal ResponseBuffer Buffer => _output;

    /// <summary>The pooled request of inference handlers.</summary>
    internal InferRequest Request => _request ??= new InferRequest { DecoupledRefusal = NoStream };

    string? ICallOrigin.Header(string name) => Exchange.RequestHeader(name);

    internal void Begin(IRestExchange exchange, RestRouter router)
    {
        Exchange = exchange;
        Caller = null;
        BeganAt = Stopwatch.GetTimestamp();
        var target = exchange.Target;
        if (target == _lastTarget)
            return;
        Target = router.Parse(target);
        _lastTarget = target;
    }

    internal void End()
    {
        _output.Clear();
        if (_abortRegistration == default)
            return;
        _abortRegistration.Dispose();
        _abortRegistration = default;
        if (!_cancellation!.TryReset())
        {
            _cancellation.Dispose();
            _cancellation = null;
        }
    }

    /// <summary>Reads the whole body.</summary>
    /// <param name="alignAt">Offset that should lie at a multiple of 64 bytes when the body is large.</param>
    /// <returns>The caller disposes it.</returns>
    internal ValueTask<BodyLease> ReadBodyAsync(int alignAt = 0) => BodyReader.ReadAsync(Exchange, _options, Pool, alignAt);

    /// <summary>Sends an answer without a body.</summary>
    internal void SendEmpty(int status = 200) => Exchange.SetHead(status, null, status == 304 ? -1 : 0); // its length would be another answer's

    /// <summary>Sends how a request failed, and when another try makes sense.</summary>
    public void SendError(InferRequest request)
    {
        // The header counts whole seconds.
        if (request.RetryAfterMilliseconds > 0 && Exchange.CanSetStatus)
            Exchange.SetHeader("Retry-After", ((request.RetryAfterMilliseconds + 999) / 1000).ToString(CultureInfo.InvariantCulture));
        SendError(request.Status.ToHttpStatus(), request.StatusMessage);
    }

    /// <summary>Sends an error: whatever was written before is dropped.</summary>
    /// <param name="status">The HTTP status.</param>
    /// <param name="message">What went wrong.</param>
    /// <param name="code">The status in gRPC's terms, for bodies that show it.</param>
    public void SendError(int status, string message, InferenceCode code = InferenceCode.Unknown)
    {
        if (!Exchange.CanSetStatus)
            throw new IOException("the response had begun when it failed: " + message);
        _output.Clear();
        if (Target.ErrorBody is { } body)
        {
            body(_output, code, message);
        }
        else
        {
            _output.WriteRaw("{\"error\":"u8);
            _output.WriteJsonString(message);
            _output.WriteRaw("}"u8);
        }

        Exchange.SetHead(status, Json, _output.Length);
        Write(Exchange.Output, _output.Written);
    }

    /// <summary>Sends what stands in <see cref="Output"/>, compressed when the client asks for it.</summary>
    /// <param name="contentType">Its content type.</param>
    public ValueTask SendAsync(string contentType) => SendAsync(contentType, null, 0, mayCompress: true);

    /// <summary>Sends the JSON in <see cref="Output"/> as it stands, whatever the client accepts.</summary>
    /// <remarks>Only inference is compressed: the ecosystem's asyncio client accepts gzip on every call and reads it on that one.</remarks>
    internal ValueTask SendPlainJsonAsync() => SendPlainAsync(Json);

    /// <summary>Sends what stands in <see cref="Output"/>, never compressed.</summary>
    internal ValueTask SendPlainAsync(string contentType, int status = 200) =>
        SendAsync(contentType, null, 0, mayCompress: false, status);

    /// <summary>Sends the JSON part in <see cref="Output"/> and then binary tensors.</summary>
    internal ValueTask SendBinaryAsync(InferRequest request, long binaryLength)
    {
        if (_output.Length != _lastHeaderLength)
        {
            _lastHeaderLength = _output.Length;
            _lastHeaderText = _output.Length.ToString(CultureInfo.InvariantCulture);
        }

        Exchange.SetHeader(BinaryExtension.HeaderName, _lastHeaderText);
        return SendAsync("application/octet-stream", request, binaryLength, mayCompress: true);
    }

    /// <summary>Begins a response whose length nobody knows yet; <see cref="FlushOutputAsync"/> sends its pieces.</summary>
    internal void BeginStream(string contentType) => Exchange.SetHead(200, contentType, -1);

    /// <summary>Sends what stands in <see cref="Output"/> as the next piece of a stream.</summary>
    /// <returns>Completes when the client has room for more; false when it is gone.</returns>
    internal async ValueTask<bool> FlushOutputAsync()
    {
        Write(Exchange.Output, _output.Written);
        _output.Clear();
        var flushed = await Exchange.Output.FlushAsync(CancellationToken).ConfigureAwait(false);
        return !flushed.IsCompleted && !flushed.IsCanceled;
    }

    private ValueTask SendAsync(string contentType, InferRequest? request, long binaryLength, bool mayCompress, int status = 200)
    {
        if (mayCompress && ContentCoding.Negotiate(Exchange.RequestHeader("accept-encoding")) is { } encoding)
        {
            Compress(encoding, request);
            Exchange.SetHeader("Content-Encoding", encoding);
            request = null;
            binaryLength = 0;
        }

        Exchange.SetHead(status, contentType, _output.Length + binaryLength);
        if (_output.Length + binaryLength > LargePiece)
            return SendLargeAsync(request);
        var output = Exchange.Output;
        Write(output, _output.Written);
        if (request is null)
            return ValueTask.CompletedTask;
        foreach (ref readonly var tensor in request.Outputs)
        {
            if (InferOutputs.IsBinary(request, in tensor))
                Write(output, tensor.Data);
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>Copies in blocks; asking without a size gives Kestrel the right to answer with nothing when the client is gone.</summary>
    private static void Write(PipeWriter output, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var target = output.GetSpan(Math.Min(bytes.Length, Block));
            var length = Math.Min(bytes.Length, target.Length);
            bytes[..length].CopyTo(target);
            output.Advance(length);
            bytes = bytes[length..];
        }
    }

    private async ValueTask SendLargeAsync(InferRequest? request)
    {
        await SendPiecesAsync(_output.WrittenMemory).ConfigureAwait(false);
        for (var i = 0; i < (request?.OutputCount ?? 0); i++)
        {
            if (InferOutputs.IsBinary(request!, in request!.Outputs[i]))
                await SendPiecesAsync(request.Outputs[i].Memory).ConfigureAwait(false);
        }
    }

    private void Compress(string encoding, InferRequest? request)
    {
        using var target = new MemoryStream(Math.Max(64, _output.Length / 4));
        using (Stream deflater = encoding == "gzip"
            ? new GZipStream(target, CompressionLevel.Fastest, leaveOpen: true)
            : new ZLibStream(target, CompressionLevel.Fastest, leaveOpen: true))
        {
            deflater.Write(_output.Written);
            for (var i = 0; i < (request?.OutputCount ?? 0); i++)
            {
                if (InferOutputs.IsBinary(request!, in request!.Outputs[i]))
                    deflater.Write(request.Outputs[i].Data);
            }
        }

        _output.Clear();
        _output.WriteRaw(target.GetBuffer().AsSpan(0, (int)target.Length));
    }

    private async ValueTask SendPiecesAsync(ReadOnlyMemory<byte> rest)
    {
        while (!rest.IsEmpty)
        {
            var piece = rest[..Math.Min(rest.Length, LargePiece)];
            rest = rest[piece.Length..];
            Write(Exchange.Output, piece.Span);
            var flushed = await Exchange.Output.FlushAsync().ConfigureAwait(false);
            if (flushed.IsCompleted || flushed.IsCanceled)
                throw new OperationCanceledException("the client is gone");
        }
    }
}
