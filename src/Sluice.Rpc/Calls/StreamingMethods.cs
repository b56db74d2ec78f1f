using System.Runtime.CompilerServices;
using Google.Protobuf;
using Sluice.Inference;
using Sluice.Rpc.Dispatch;

namespace Sluice.Rpc.Calls;

/// <summary>Sends the response messages of a streaming call.</summary>
/// <remarks><b>Threads.</b> One sender at a time; each send waits for the peer, so a slow reader slows the sender.</remarks>
public sealed class ResponseSender<T>(RpcCall call)
    where T : class, IMessage<T>
{
    /// <summary>Sends one message.</summary>
    /// <exception cref="OperationCanceledException">The peer is gone.</exception>
    public async ValueTask SendAsync(T message)
    {
        GeneratedMessage.Write(call, message);
        if (!await call.FlushAsync().ConfigureAwait(false))
            throw new OperationCanceledException();
    }
}

/// <summary>Lists request messages as they come.</summary>
internal static class RequestStream
{
    public static async IAsyncEnumerable<T> ReadAllAsync<T>(
        RpcCall call, MessageParser<T> parser, [EnumeratorCancellation] CancellationToken cancellationToken = default)
        where T : class, IMessage<T>
    {
        await using var stopping = call.Stopping.UnsafeRegister(static call => ((RpcCall)call!).StopReading(), call);
        while (!cancellationToken.IsCancellationRequested)
        {
            var lease = await call.Reader.ReadAsync(mustLand: false, bulkOffset: null).ConfigureAwait(false);
            if (call.Stopping.IsCancellationRequested)
            {
                lease?.Dispose();
                throw new InferenceException(InferenceCode.Unavailable, RpcDispatcher.Stopping);
            }

            if (lease is null)
                yield break;
            T message;
            using (var owned = lease.Value)
                message = GeneratedMessage.Parse(parser, in owned);
            yield return message;
        }
    }
}

/// <summary>One request message, any number of responses.</summary>
/// <param name="service">Full name of the service.</param>
/// <param name="name">Name of the method.</param>
/// <param name="parser">The request's parser.</param>
/// <param name="handler">Serves one call.</param>
public sealed class ServerStreamingMethod<TRequest, TResponse>(
    string service, string name, MessageParser<TRequest> parser,
    Func<TRequest, ResponseSender<TResponse>, CancellationToken, ValueTask> handler) : RpcMethod(service, name)
    where TRequest : class, IMessage<TRequest>
    where TResponse : class, IMessage<TResponse>
{
    /// <inheritdoc/>
    public override async ValueTask InvokeAsync(RpcCall call)
    {
        var request = await GeneratedMessage.ReadSingleAsync(call, parser).ConfigureAwait(false);
        await handler(request, new ResponseSender<TResponse>(call), call.CancellationToken).ConfigureAwait(false);
    }
}

/// <summary>Any number of requests, one response message.</summary>
/// <param name="service">Full name of the service.</param>
/// <param name="name">Name of the method.</param>
/// <param name="parser">The requests' parser.</param>
/// <param name="handler">Serves one call.</param>
public sealed class ClientStreamingMethod<TRequest, TResponse>(
    string service, string name, MessageParser<TRequest> parser,
    Func<IAsyncEnumerable<TRequest>, CancellationToken, ValueTask<TResponse>> handler) : RpcMethod(service, name)
    where TRequest : class, IMessage<TRequest>
    where TResponse : class, IMessage<TResponse>
{
    /// <inheritdoc/>
    public override async ValueTask InvokeAsync(RpcCall call)
    {
        var requests = RequestStream.ReadAllAsync(call, parser, call.CancellationToken);
        GeneratedMessage.Write(call, await handler(requests, call.CancellationToken).ConfigureAwait(false));
    }
}

/// <summary>Any number of requests and responses, independent of each other.</summary>
/// <param name="service">Full name of the service.</param>
/// <param name="name">Name of the method.</param>
/// <param name="parser">The requests' parser.</param>
/// <param name="handler">Serves one call.</param>
public sealed class DuplexMethod<TRequest, TResponse>(
    string service, string name, MessageParser<TRequest> parser,
    Func<IAsyncEnumerable<TRequest>, ResponseSender<TResponse>, CancellationToken, ValueTask> handler)
    : RpcMethod(service, name)
    where TRequest : class, IMessage<TRequest>
    where TResponse : class, IMessage<TResponse>
{
    /// <inheritdoc/>
    public override ValueTask InvokeAsync(RpcCall call)
    {
        var requests = RequestStream.ReadAllAsync(call, parser, call.CancellationToken);
        return handler(requests, new ResponseSender<TResponse>(call), call.CancellationToken);
    }
}

/// <summary>A method that reads and writes its own bytes and never blocks; the hot ones do.</summary>
/// <param name="service">Full name of the service.</param>
/// <param name="name">Name of the method.</param>
/// <param name="handler">Serves one call.</param>
public sealed class RawMethod(string service, string name, Func<RpcCall, ValueTask> handler) : RpcMethod(service, name)
{
    /// <inheritdoc/>
    public override bool NeverBlocks => true;

    /// <inheritdoc/>
    public override ValueTask InvokeAsync(RpcCall call) => handler(call);
}

/// <summary>A method of the contract that this server does not serve.</summary>
/// <param name="service">Full name of the service.</param>
/// <param name="name">Name of the method.</param>
public sealed class UnimplementedMethod(string service, string name) : RpcMethod(service, name)
{
    /// <inheritdoc/>
    public override ValueTask InvokeAsync(RpcCall call) =>
        throw new InferenceException(InferenceCode.Unimplemented, $"{Path} is not supported by this server");
}
