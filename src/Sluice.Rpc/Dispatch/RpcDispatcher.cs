using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Rpc.Access;
using Sluice.Rpc.Calls;
using Sluice.Rpc.Transport;
using Sluice.Tensors;

namespace Sluice.Rpc.Dispatch;

/// <summary>Takes a transport's stream through a call: checks, dispatch, status.</summary>
/// <remarks><b>Threads.</b> Any number of streams at once.</remarks>
[SuppressMessage("Design", "CA1001", Justification = "a token source without a timer holds nothing that must be let go")]
public sealed class RpcDispatcher
{
    /// <summary>What calls end with that come, or wait for their client, when the server stops.</summary>
    public const string Stopping = "GRPC server is shutting down and has stopped accepting new requests.";

    private readonly MethodTable _methods;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private volatile bool _isStopping;
    private readonly long[] _endedCounts = new long[(int)InferenceCode.Unauthenticated + 1];
    private long _activeCount;

    /// <summary>Creates a dispatcher.</summary>
    public RpcDispatcher(MethodTable methods, RpcOptions options, TensorBufferPool pool, ILogger<RpcDispatcher> logger)
    {
        _methods = methods;
        Options = options;
        Pool = pool;
        _logger = logger;
    }

    /// <summary>The layer's options.</summary>
    public RpcOptions Options { get; }

    /// <summary>Memory for messages.</summary>
    public TensorBufferPool Pool { get; }

    /// <summary>Calls being served now.</summary>
    public long ActiveCount => Interlocked.Read(ref _activeCount);

    /// <summary>Reads how many calls have ended with a status.</summary>
    public long EndedCount(InferenceCode code) => Volatile.Read(ref _endedCounts[(int)code]);

    /// <summary>Refuses calls from now on; those under way go on, but streams take no more messages from their clients.</summary>
    public void StopAccepting()
    {
        _isStopping = true;
        _stopping.Cancel();
    }

    /// <summary>Serves one call. Never throws.</summary>
    /// <param name="call">The stream's reusable call.</param>
    /// <param name="stream">The stream.</param>
    public ValueTask ServeAsync(RpcCall call, IRpcExchange stream)
    {
        if (!CheckHttp(stream))
            return ValueTask.CompletedTask;
        stream.SetHeader("content-type", "application/grpc");
        call.Begin(stream);
        var method = _methods.Find(stream.Path);
        if (_isStopping)
            call.Fail(InferenceCode.Unavailable, Stopping);
        else if (method is null)
            call.Fail(InferenceCode.Unimplemented, $"unknown method {stream.Path}");
        else if (Options.RequiredHeaders is { } required)
            CheckAccess(required, call);
        if (call.Status == InferenceCode.Ok && call.IsDeadlineExceeded)
            call.Fail(InferenceCode.DeadlineExceeded, "the deadline had passed when the call arrived");
        if (call.Status == InferenceCode.Ok && Options.Authenticator is { } authenticator)
            Authenticate(call, method!, authenticator);
        if (call.Status != InferenceCode.Ok)
        {
            Finish(call);
            return ValueTask.CompletedTask;
        }

        call.Stopping = _stopping.Token;
        Interlocked.Increment(ref _activeCount);
        try
        {
            var running = stream.IsOnSharedThread && !method!.NeverBlocks
                ? InvokeElsewhereAsync(method, call)
                : method!.InvokeAsync(call);
            if (!running.IsCompletedSuccessfully)
                return AwaitAsync(running, call, method);
            running.GetAwaiter().GetResult();
        }
        catch (Exception error) when (Report(error, call, method!))
        {
        }

        Interlocked.Decrement(ref _activeCount);
        Finish(call);
        return ValueTask.CompletedTask;
    }

    private static void Authenticate(RpcCall call, RpcMethod method, IAuthenticator authenticator)
    {
        var code = AccessCheck.Check(
            authenticator, method.Scope, call.Stream.RequestHeader("authorization"), out var caller, out var message);
        call.Caller = caller;
        if (code != InferenceCode.Ok)
            call.Fail(code, message);
    }

    private static void CheckAccess(IReadOnlyDictionary<string, RequiredHeader> required, RpcCall call)
    {
        if (required.TryGetValue(call.Stream.Path, out var header) && !header.Admits(call.Stream.RequestHeader(header.LowerName)))
            call.Fail(InferenceCode.Unavailable, $"This protocol is restricted, expecting header '{header.Name}'");
    }

    private void Finish(RpcCall call)
    {
        call.End();
        Interlocked.Increment(ref _endedCounts[(int)call.Status]);
        if (Options.AccessLog || Options.Tracing.LogsCalls)
            LogAccess(call);
        call.Release();
    }

    private void LogAccess(RpcCall call)
    {
        var status = call.Status.ToName();
        var microseconds = (long)Stopwatch.GetElapsedTime(call.BeganAt).TotalMicroseconds;
        var traceParent = call.Stream.RequestHeader("traceparent") ?? "-";
        if (Options.AccessLog)
            RpcLog.Access(_logger, call.Stream.Path, status, microseconds, traceParent);
        else
            RpcLog.Call(_logger, call.Stream.Path, status, microseconds, traceParent);
    }

    private static async ValueTask InvokeElsewhereAsync(RpcMethod method, RpcCall call)
    {
        call.Stream.LeaveSharedThread();
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        await method.InvokeAsync(call).ConfigureAwait(false);
    }

    [AsyncMethodBuilder(typeof(WaitingMethodBuilder))]
    private async ValueTask AwaitAsync(ValueTask running, RpcCall call, RpcMethod method)
    {
        try
        {
            await running.ConfigureAwait(false);
        }
        catch (Exception error) when (Report(error, call, method))
        {
        }

        Interlocked.Decrement(ref _activeCount);
        Finish(call);
    }

    /// <summary>Checks what gRPC demands of the HTTP request (gRPC over HTTP/2, "Requests").</summary>
    private static bool CheckHttp(IRpcExchange stream)
    {
        if (stream.HttpMethod != "POST")
        {
            stream.SetHttpStatus(405);
            stream.SetHeader("allow", "POST");
            return false;
        }

        var contentType = stream.RequestHeader("content-type");
        if (contentType is not null && contentType.StartsWith("application/grpc", StringComparison.OrdinalIgnoreCase) &&
            (contentType.Length == 16 || contentType[16] is '+' or ';'))
            return true;
        stream.SetHttpStatus(415);
        return false;
    }

    /// <summary>Turns whatever was thrown into the call's status.</summary>
    private bool Report(Exception error, RpcCall call, RpcMethod method)
    {
        var fault = RpcFault.From(error);
        if (fault.IsUnexpected)
            RpcLog.HandlerFailed(_logger, method.Path, error);
        if (fault.Code == InferenceCode.Cancelled && call.IsDeadlineExceeded)
            fault = new RpcFault(InferenceCode.DeadlineExceeded, "the deadline passed while the call was served", false);
        call.Fail(fault.Code, fault.Message);
        return true;
    }
}
