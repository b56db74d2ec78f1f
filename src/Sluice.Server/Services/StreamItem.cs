using System.Diagnostics;
using System.Threading.Tasks.Sources;
using Sluice.Inference;
using Sluice.Protocol.Codec;
using Sluice.Rpc.Calls;
using Sluice.Rpc.Framing;

namespace Sluice.Server.Services;

/// <summary>One request of an <see cref="InferenceStream"/>, kept for the next.</summary>
internal sealed class StreamItem : IResponseSink, IValueTaskSource
{
    private readonly InferenceStream _stream;
    private MessageLease _message;
    private ManualResetValueTaskSourceCore<bool> _written = new() { RunContinuationsAsynchronously = true };
    private ResponseKind _kind;

    public StreamItem(InferenceStream stream) => _stream = stream;

    public InferRequest Request { get; } = new();

    /// <summary>Bytes of the request.</summary>
    public long ByteCount { get; private set; }

    /// <summary>The model answers when and as often as it likes; guarded by the stream's lock once the request runs.</summary>
    public bool IsDecoupled { get; private set; }

    /// <summary>The engine is done with the request; guarded by the stream's lock.</summary>
    public bool IsDone { get; set; }

    /// <summary>Takes the message; <see cref="Run"/> follows.</summary>
    public void Begin(MessageLease message)
    {
        _message = message;
        ByteCount = message.Payload.Length;
        _kind = ResponseKind.Final;
    }

    /// <summary>Runs the request. Returns when it has been scheduled, so requests are scheduled in the order of reading.</summary>
    public async void Run(RpcCall call, IInferenceEngine engine)
    {
        var running = Start(call, engine);

        // The engine knows by now whether the model is decoupled, and has not ended the request.
        _stream.Enter(this);
        try
        {
            await running.ConfigureAwait(false);
        }
        catch (Exception error)
        {
            Refuse(error);
        }

        _stream.Finish(this);
    }

    public void Reset()
    {
        Request.Reset();
        _message.Dispose();
        _message = default;
        IsDecoupled = IsDone = false;
    }

    /// <summary>Writes what stands in the request.</summary>
    /// <returns>Bytes that wait to be flushed; negative when the peer is gone.</returns>
    public ValueTask<long> WriteAsync(RpcCall call)
    {
        var length = StreamResponseWriter.Measure(Request);
        if (length >= call.Stream.DirectSendBytes && Request.IsOk && !call.Writer.IsCompressing)
            return WriteLargeAsync(call, length);
        call.Write(this, length, static (output, item) =>
            StreamResponseWriter.Write(output, item.Request, item._kind != ResponseKind.Partial));
        return ValueTask.FromResult(length);
    }

    /// <summary>What was written has left; the model may go on.</summary>
    public void SetWritten() => _written.SetResult(true);

    void IResponseSink.Begin(InferRequest request) => IsDecoupled = true;

    ValueTask IResponseSink.WriteAsync(InferRequest request, ResponseKind kind)
    {
        if (kind == ResponseKind.EmptyFinal && !request.WantsEmptyFinal)
            return ValueTask.CompletedTask;
        _kind = kind;
        _written.Reset();
        return _stream.TryEnqueue(this) ? new ValueTask(this, _written.Version) : ValueTask.CompletedTask;
    }

    void IValueTaskSource.GetResult(short token) => _written.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _written.GetStatus(token);

    void IValueTaskSource.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _written.OnCompleted(continuation, state, token, flags);

    private ValueTask Start(RpcCall call, IInferenceEngine engine)
    {
        try
        {
            Request.ReceivedAt = Stopwatch.GetTimestamp();
            Request.Lifetime = _stream;
            Request.Sink = this;
            Request.DeadlineAt = call.DeadlineAt;
            InferRequestReader.Read(_message.Payload, Request, call.Pool);
            return engine.InferAsync(Request);
        }
        catch (Exception error)
        {
            Refuse(error);
            return ValueTask.CompletedTask;
        }
    }

    private void Refuse(Exception error)
    {
        var status = RpcFault.From(error);
        Request.IsRefused = true;
        Request.Fail(status.Code, status.Message);
    }

    private async ValueTask<long> WriteLargeAsync(RpcCall call, long length)
    {
        call.WritePrefix(length);
        StreamResponseWriter.WritePrelude(call.Stream.Output, Request, _kind != ResponseKind.Partial);
        return await LargeResponse.WriteAsync(call, Request, endsCall: false).ConfigureAwait(false) ? 1 : -1;
    }
}
