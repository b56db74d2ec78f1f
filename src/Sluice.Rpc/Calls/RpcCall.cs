using System.Diagnostics;
using System.Globalization;
using Sluice.Inference;
using Sluice.Protocol.Metadata;
using Sluice.Rpc.Framing;
using Sluice.Rpc.Transport;
using Sluice.Tensors;

namespace Sluice.Rpc.Calls;

/// <summary>One RPC while it is served; kept with its transport stream and used again for the next.</summary>
/// <remarks><b>Threads.</b> One handler at a time; <see cref="CancellationToken"/> may fire on any thread.</remarks>
public sealed class RpcCall : ICallLifetime, ICallOrigin
{
    private readonly RpcOptions _options;
    private CancellationTokenSource? _cancellation;
    private CancellationTokenRegistration _abortRegistration;
    private bool _isWatched;
    private bool _hasOutput;
    private volatile bool _isAborted;

    /// <summary>Creates a call to be used for one stream after the other.</summary>
    public RpcCall(RpcOptions options, TensorBufferPool pool)
    {
        _options = options;
        Pool = pool;
        Reader = new MessageReader(pool, options);
        Writer = new MessageWriter(options);
    }

    /// <summary>The transport's side.</summary>
    public IRpcExchange Stream { get; private set; } = null!;

    /// <summary>Reads request messages.</summary>
    public MessageReader Reader { get; }

    /// <summary>Writes response messages.</summary>
    public MessageWriter Writer { get; }

    /// <summary>Memory for messages and tensors.</summary>
    public TensorBufferPool Pool { get; }

    /// <summary>The layer's options.</summary>
    public RpcOptions Options => _options;

    /// <summary>When the call began, same clock as <see cref="DeadlineAt"/>.</summary>
    public long BeganAt { get; private set; }

    /// <summary>Who calls; null when callers are not asked who they are.</summary>
    public CallerIdentity? Caller { get; set; }

    /// <summary>Cancelled when the server takes no more requests; a call that waits for its client's next message ends then.</summary>
    public CancellationToken Stopping { get; internal set; }

    /// <inheritdoc/>
    public int ClientKey => Caller?.Name.GetHashCode(StringComparison.Ordinal) ?? Stream.ConnectionKey;

    /// <summary>Told to the client of a failed call: when another try makes sense, milliseconds; 0 = nothing is known.</summary>
    public int RetryAfterMilliseconds { get; set; }

    string ICallOrigin.FrontEnd => "GRPC";

    // A message of a stream did not begin with its call.
    long ICallOrigin.BeganAt => Stream.Path.EndsWith("StreamInfer", StringComparison.Ordinal) ? 0 : BeganAt;

    /// <summary>When the deadline passes, on the clock of <see cref="Stopwatch"/>; 0 = never.</summary>
    public long DeadlineAt { get; private set; }

    /// <summary>Something that a handler keeps for its next call on this stream, such as a pooled request.</summary>
    public object? HandlerState { get; set; }

    /// <summary>The call's status so far.</summary>
    public InferenceCode Status { get; private set; }

    /// <summary>Why it failed.</summary>
    public string StatusMessage { get; private set; } = "";

    /// <inheritdoc/>
    public bool IsDeadlineExceeded => DeadlineAt != 0 &&
        (Stopwatch.GetTimestamp() >= DeadlineAt || (_isWatched && !_isAborted && _cancellation is { IsCancellationRequested: true }));

    /// <inheritdoc/>
    public CancellationToken CancellationToken
    {
        get
        {
            // Only handlers that wait ask for it, so a call that is answered at once pays nothing.
            if (_isWatched)
                return _cancellation!.Token;
            _isWatched = true;
            _cancellation ??= new CancellationTokenSource();
            _abortRegistration = Stream.Aborted.UnsafeRegister(static call => ((RpcCall)call!).OnAborted(), this);
            if (DeadlineAt != 0)
                _cancellation.CancelAfter(TimeLeft());
            return _cancellation.Token;
        }
    }

    /// <inheritdoc/>
    public void ForwardHeaders(InferRequest request) => _options.ForwardedHeaders?.Apply(
        request, Stream.RequestHeaders().Select(header => KeyValuePair.Create(header.Key.ToLowerInvariant(), header.Value)));

    /// <summary>Begins a new call.</summary>
    public void Begin(IRpcExchange stream)
    {
        Stream = stream;
        Status = InferenceCode.Ok;
        StatusMessage = "";
        _hasOutput = false;
        _isAborted = false;
        Reader.Begin(stream);
        Writer.Begin(stream);
        DeadlineAt = 0;
        RetryAfterMilliseconds = 0;
        Caller = null;
        BeganAt = Stopwatch.GetTimestamp();
        var timeout = stream.RequestHeader("grpc-timeout");
        if (timeout is null)
            return;
        if (GrpcTimeout.TryParse(timeout, out var left))
            DeadlineAt = GrpcTimeout.ToDeadline(left);
        else
            Fail(InferenceCode.Internal, $"invalid grpc-timeout '{timeout}'");
    }

    string? ICallOrigin.Header(string name) => Stream.RequestHeader(name);

    /// <summary>Sets the status with which the call ends; the first failure stays.</summary>
    public void Fail(InferenceCode code, string message)
    {
        if (Status != InferenceCode.Ok)
            return;
        Status = code;
        StatusMessage = message;
    }

    /// <summary>Writes one response message; it leaves with the next flush or the end of the call.</summary>
    public void Write<T>(T message, long length, MessageWriter.Body<T> body)
    {
        Writer.Write(message, length, body);
        _hasOutput = true;
    }

    /// <summary>Writes the frame of a message whose bytes the caller then writes itself, uncompressed.</summary>
    /// <param name="length">The message's bytes.</param>
    public void WritePrefix(long length)
    {
        Writer.WritePrefix(length);
        _hasOutput = true;
    }

    /// <summary>Sends memory that ends the call with success, so that its status may leave in the same write.</summary>
    /// <remarks><b>Ownership.</b> The memory is lent until the task ends.</remarks>
    /// <returns>False when the peer is gone.</returns>
    public ValueTask<bool> SendLastAsync(ReadOnlyMemory<byte> memory)
    {
        SayStatus();
        return Stream.SendAsync(memory, isLast: true);
    }

    /// <summary>Sends what has been written; completes when the peer has room for more.</summary>
    /// <returns>False when the peer is gone.</returns>
    public async ValueTask<bool> FlushAsync()
    {
        var result = await Stream.Output.FlushAsync().ConfigureAwait(false);
        return result is { IsCompleted: false, IsCanceled: false };
    }

    /// <summary>Ends the reading of requests: the read that waits, or the next one, finds the stream at its end.</summary>
    /// <remarks><b>Threads.</b> Any, until the handler has ended.</remarks>
    public void StopReading()
    {
        try
        {
            Stream.Body.CancelPendingRead();
        }
        catch (Exception error) when (error is IOException or OperationCanceledException or InvalidOperationException)
        {
            // The peer is gone, which the reader finds out by itself.
        }
    }

    /// <summary>Writes the status: as trailers after output, in the header block (trailers-only) when there was none.</summary>
    public void End()
    {
        SayStatus();
        if (StatusMessage.Length > 0)
            Say("grpc-message", StatusText.Encode(StatusMessage));
        if (RetryAfterMilliseconds > 0)
            Say("grpc-retry-pushback-ms", RetryAfterMilliseconds.ToString(CultureInfo.InvariantCulture));
    }

    private void SayStatus() =>
        Say("grpc-status", Status == InferenceCode.Ok ? "0" : ((int)Status).ToString(CultureInfo.InvariantCulture));

    private void Say(string name, string value)
    {
        if (_hasOutput)
            Stream.SetTrailer(name, value);
        else
            Stream.SetHeader(name, value);
    }

    /// <summary>Releases what was made for this call; the object stays for the next.</summary>
    public void Release()
    {
        if (!_isWatched)
            return;
        _isWatched = false;

        // The registration is empty when the peer had gone before; the source is cancelled then and must go too.
        _abortRegistration.Dispose();
        _abortRegistration = default;
        if (!_cancellation!.TryReset())
        {
            _cancellation.Dispose();
            _cancellation = null;
        }
    }

    private void OnAborted()
    {
        _isAborted = true;
        _cancellation!.Cancel();
    }

    private TimeSpan TimeLeft()
    {
        // A CancellationTokenSource takes at most about 24 days; later deadlines need no timer.
        var left = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), DeadlineAt);
        if (left > TimeSpan.FromDays(24))
            return Timeout.InfiniteTimeSpan;

        // The runtime's timers follow a coarse clock and may come some milliseconds early; that it was the timer is enough.
        return left < TimeSpan.Zero ? TimeSpan.Zero : left;
    }
}
