using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Sluice.Http2.Hpack;
using Sluice.Rpc.Calls;
using Sluice.Rpc.Dispatch;
using Sluice.Rpc.Transport;

namespace Sluice.Http2.Connection;

/// <summary>One HTTP/2 stream with the call that it carries; reused by its connection.</summary>
/// <remarks>
/// <para><b>Threads.</b> The connection's turn owns the protocol state. The handler may run on any thread; it reaches the turn
/// by <see cref="RequestAttention"/> alone.</para>
/// </remarks>
internal sealed class Http2Stream : IRpcExchange
{
    private const string GrpcContentType = "application/grpc";

    private readonly Http2Connection _connection;
    private readonly RpcDispatcher _dispatcher;
    private readonly BodyReader _body;
    private readonly ResponseWriter _writer;
    private readonly Action _onServed;
    private readonly List<HeaderField> _headers = [];
    private readonly List<HeaderField> _trailers = [];
    private readonly object _abortGate = new();
    private RpcCall? _call;
    private HeaderList _request = null!;
    private ValueTask _serving;
    private CancellationTokenSource? _abortSource;
    private bool _isAborted;
    private int _needsAttention;
    private int _consumed;
    private int _wantedWindow;
    private int _stagedCount;
    private volatile bool _isServed;
    private volatile int _abortCode = -1;

    public Http2Stream(Http2Connection connection, RpcDispatcher dispatcher)
    {
        _connection = connection;
        _dispatcher = dispatcher;
        _body = new BodyReader(this);
        _writer = new ResponseWriter(this);
        _onServed = OnServed;
    }

    /// <summary>The stream's number.</summary>
    public int Id { get; private set; }

    /// <summary>Bytes that the peer may still send.</summary>
    public int ReceiveWindow { get; set; }

    /// <summary>Bytes that we may still send; negative after the peer has shrunk its window.</summary>
    public long SendWindow { get; set; }

    /// <summary>Body bytes read and not yet credited to the peer; negative when it was credited ahead.</summary>
    public int Uncredited { get; set; }

    /// <summary>The peer pads its frames, so what a reader is allowed does not reach for what it wants.</summary>
    public bool HasPadding { get; private set; }

    /// <summary>Since when output waits for the peer's window; 0 = it does not.</summary>
    public long BlockedSince { get; set; }

    /// <summary>Body bytes received.</summary>
    public long ReceivedBytes { get; set; }

    /// <summary>The peer has ended its side.</summary>
    public int ConnectionKey => RuntimeHelpers.GetHashCode(_connection);

    public bool IsRemoteClosed { get; private set; }

    /// <summary>We have ended our side.</summary>
    public bool IsLocalClosed { get; set; }

    /// <summary>Reset by either side, or the connection is gone: nothing more is sent or expected.</summary>
    public bool IsReset { get; private set; }

    /// <summary>HEADERS have been sent.</summary>
    public bool HasSentHeaders { get; set; }

    /// <summary>Waits in the connection's send queue.</summary>
    public bool IsSendQueued { get; set; }

    /// <summary>The handler has been started.</summary>
    public bool IsStarted { get; private set; }

    /// <summary>The handler has ended and all that it wrote is published.</summary>
    public bool IsServed => _isServed;

    /// <summary>Code of the reset that the handler asked for; -1 = none.</summary>
    public int RequestedAbort => _abortCode;

    /// <summary>Nobody uses the object any more.</summary>
    public bool IsIdle => (_isServed || !IsStarted) && !IsSendQueued && _stagedCount == 0 &&
        (IsReset || (IsLocalClosed && IsRemoteClosed)) && Volatile.Read(ref _needsAttention) == 0;

    /// <summary>All output is published and the trailers are set; the handler has ended, or waits for its last bytes to leave.</summary>
    public bool IsAnswered => _isServed || _writer.IsEnding;

    /// <summary>Output that waits to be sent.</summary>
    public OutputQueue Pending => _writer.Queue;

    public int OutputHighWaterBytes => _connection.Limits.OutputHighWaterBytes;

    /// <summary>HTTP status of the response.</summary>
    public int Status { get; private set; }

    public IReadOnlyList<HeaderField> ResponseHeaders => _headers;

    public IReadOnlyList<HeaderField> ResponseTrailers => _trailers;

    /// <summary>The response's head is the one of every gRPC answer.</summary>
    public bool HasUsualHeaders =>
        Status == 200 && _headers.Count == 1 && _headers[0].Name == "content-type" && _headers[0].Value == GrpcContentType;

    /// <summary>The trailers say success and nothing else.</summary>
    public bool HasUsualTrailers =>
        _trailers.Count == 1 && _trailers[0].Name == "grpc-status" && _trailers[0].Value == "0";

    /// <summary>Link of the connection's list of streams that need attention.</summary>
    public Http2Stream? NextInNeed { get; set; }

    string IRpcExchange.HttpMethod => _request.Method;

    string IRpcExchange.Path => _request.Path;

    PipeReader IRpcExchange.Body => _body;

    PipeWriter IRpcExchange.Output => _writer;

    bool IRpcExchange.IsOnSharedThread => true;

    int IRpcExchange.DirectSendBytes => 16 * 1024;

    CancellationToken IRpcExchange.Aborted
    {
        get
        {
            lock (_abortGate)
            {
                if (_isAborted)
                    return new CancellationToken(canceled: true);
                return (_abortSource ??= new CancellationTokenSource()).Token;
            }
        }
    }

    /// <summary>Begins a stream. In the turn.</summary>
    public void Open(int id, HeaderList request, int receiveWindow, long sendWindow)
    {
        Id = id;
        _request = request;
        ReceiveWindow = receiveWindow;
        SendWindow = sendWindow;
        Status = 200;
    }

    /// <summary>Serves the call; runs the handler on this thread as far as it goes. In the turn.</summary>
    [SuppressMessage(
        "Reliability", "CA2012", Justification = "kept until its continuation consumes it, once, without allocating")]
    public void Start()
    {
        IsStarted = true;
        _call ??= new RpcCall(_dispatcher.Options, _dispatcher.Pool);
        _serving = _dispatcher.ServeAsync(_call, this);
        if (_serving.IsCompleted)
            OnServed();
        else
            _serving.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(_onServed);
    }

    /// <summary>Adds body bytes. In the turn.</summary>
    public void Receive(ReceiveSegment segment, ReadOnlyMemory<byte> bytes) => _body.Append(segment, bytes);

    /// <summary>Where body bytes may be received straight into; empty when nowhere. In the turn.</summary>
    public Memory<byte> FillTarget => _body.FillTarget;

    /// <summary>Counts bytes received into <see cref="FillTarget"/>. In the turn.</summary>
    public void Filled(int count) => _body.Filled(count);

    /// <summary>The peer has sent END_STREAM. In the turn.</summary>
    public void CloseRemote()
    {
        IsRemoteClosed = true;
        _body.CompleteBody();
    }

    /// <summary>What the peer announced as its body's length fits what it has sent.</summary>
    public bool HasRightLength => _request.ContentLength < 0 || _request.ContentLength == ReceivedBytes;

    /// <summary>The stream is over: the handler hears of it and nothing is sent any more. In the turn.</summary>
    public void Abort()
    {
        if (IsReset)
            return;
        IsReset = true;
        _body.AbortBody();
        _writer.Close(_stagedCount > 0);
        if (_isServed || !IsStarted)
            return;
        CancellationTokenSource? source;
        lock (_abortGate)
        {
            _isAborted = true;
            source = _abortSource;
        }

        source?.Cancel();
    }

    /// <summary>Asks for the connection's turn to look at this stream. Any thread.</summary>
    public void RequestAttention()
    {
        if (Interlocked.Exchange(ref _needsAttention, 1) == 0)
            _connection.Enlist(this);
    }

    /// <summary>The turn has begun to look; a request from now on counts anew.</summary>
    public void BeginAttention() => Volatile.Write(ref _needsAttention, 0);

    /// <summary>Takes the number of body bytes that were read since the last time. In the turn.</summary>
    public int TakeConsumed() => Interlocked.Exchange(ref _consumed, 0);

    /// <summary>Takes the window that a waiting reader wants the peer to have; 0 = no wish. In the turn.</summary>
    public int TakeWantedWindow() => Interlocked.Exchange(ref _wantedWindow, 0);

    /// <summary>The handler has read bytes. Any thread.</summary>
    public void Consumed(int count)
    {
        if (count > 0 && Interlocked.Add(ref _consumed, count) + Uncredited >= _connection.Limits.StreamWindowBytes / 2)
            RequestAttention();
    }

    /// <summary>The handler waits for so many bytes, for which it has memory. Any thread.</summary>
    public void AwaitsFill(int consumed, int wanted)
    {
        Interlocked.Add(ref _consumed, consumed);
        Volatile.Write(ref _wantedWindow, wanted);
        RequestAttention();
    }

    /// <summary>Padding has come, which counts against the window (§6.9.1) and is free again at once. In the turn.</summary>
    public void Padded(int count)
    {
        HasPadding = true;
        Uncredited += count;
        RequestAttention();
    }

    /// <summary>Lent memory is part of a write under way. In the turn.</summary>
    public void LentStaged() => _stagedCount++;

    /// <summary>That write is over. In the turn.</summary>
    public void LentSent()
    {
        _stagedCount--;
        _writer.Released(_stagedCount > 0);
        RequestAttention();
    }

    /// <summary>Lets a writer go on that has waited for room. In the turn.</summary>
    public void ReleaseWriter() => _writer.Released(_stagedCount > 0);

    /// <summary>Ends a wait for body bytes that was cancelled. In the turn.</summary>
    public void CancelFill() => _body.CancelFill();

    /// <summary>Drops what the handler left unread; returns its length. In the turn.</summary>
    public int DiscardBody() => _body.Discard();

    /// <summary>Makes the object ready for its next stream. In the turn, when idle.</summary>
    public void Recycle()
    {
        _body.Reset();
        _writer.Reset();
        _headers.Clear();
        _trailers.Clear();
        _serving = default;
        _consumed = _wantedWindow = Uncredited = 0;
        BlockedSince = 0;
        ReceivedBytes = 0;
        HasPadding = IsStarted = IsRemoteClosed = IsLocalClosed = IsReset = HasSentHeaders = false;
        _isServed = false;
        _abortCode = -1;
        _isAborted = false;
        if (_abortSource?.TryReset() == false)
        {
            _abortSource.Dispose();
            _abortSource = null;
        }
    }

    /// <inheritdoc/>
    public string? RequestHeader(string name) => _request.Find(name);

    /// <inheritdoc/>
    public IEnumerable<KeyValuePair<string, string>> RequestHeaders()
    {
        foreach (var field in _request.Fields)
        {
            if (field.Name[0] != ':')
                yield return new KeyValuePair<string, string>(field.Name, field.Value);
        }
    }

    /// <inheritdoc/>
    public void SetHttpStatus(int status) => Status = status;

    /// <inheritdoc/>
    public void SetHeader(string name, string value) => Set(_headers, name, value);

    /// <inheritdoc/>
    public void SetTrailer(string name, string value) => Set(_trailers, name, value);

    /// <inheritdoc/>
    public ValueTask<bool> FillAsync(Memory<byte> destination) => _body.FillAsync(destination);

    /// <inheritdoc/>
    public ValueTask<bool> SendAsync(ReadOnlyMemory<byte> memory, bool isLast) => _writer.SendAsync(memory, isLast);

    /// <inheritdoc/>
    void IRpcExchange.Abort(int http2ErrorCode)
    {
        _abortCode = http2ErrorCode;
        RequestAttention();
    }

    /// <inheritdoc/>
    void IRpcExchange.LeaveSharedThread() => _body.ResumesElsewhere = _writer.ResumesElsewhere = true;

    private static void Set(List<HeaderField> fields, string name, string value)
    {
        for (var i = 0; i < fields.Count; i++)
        {
            if (fields[i].Name == name)
            {
                fields[i] = new HeaderField(name, value);
                return;
            }
        }

        fields.Add(new HeaderField(name, value));
    }

    private void OnServed()
    {
        try
        {
            _serving.GetAwaiter().GetResult();
        }
        catch (Exception error)
        {
            // The dispatcher answers for its handlers; what still comes here is a fault of ours.
            _abortCode = (int)Http2ErrorCode.InternalError;
            _connection.ReportFault(error);
        }

        _writer.Queue.Publish();
        _isServed = true;
        RequestAttention();
    }
}
