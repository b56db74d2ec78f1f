using Google.Protobuf;
using Google.Protobuf.Reflection;
using Sluice.Inference;

namespace Sluice.Rpc.Calls;

/// <summary>Who calls, and until when the answer is of use.</summary>
/// <param name="Caller">Null when callers are not asked who they are.</param>
/// <param name="CancellationToken">Cancelled when nobody waits any more.</param>
public readonly record struct CallContext(CallerIdentity? Caller, CancellationToken CancellationToken)
{
    /// <summary>The caller's name for logs.</summary>
    public string Actor => Caller?.Name ?? "anonymous";
}

/// <summary>A method without streams, for fronts that speak another encoding of the same messages.</summary>
public interface ICallerUnaryMethod
{
    /// <summary>The request message's type.</summary>
    MessageDescriptor RequestType { get; }

    /// <summary>Serves one call.</summary>
    /// <param name="request">A message of <see cref="RequestType"/>.</param>
    /// <param name="context">Who calls.</param>
    /// <exception cref="InferenceException">The call failed.</exception>
    ValueTask<IMessage> InvokeAsync(IMessage request, CallContext context);
}

/// <summary>A method that answers with a stream, for the same fronts.</summary>
public interface ICallerStreamingMethod
{
    /// <summary>The request message's type.</summary>
    MessageDescriptor RequestType { get; }

    /// <summary>Serves one call.</summary>
    /// <param name="request">A message of <see cref="RequestType"/>.</param>
    /// <param name="send">Sends one message; completes when the peer has room for more.</param>
    /// <param name="context">Who calls.</param>
    /// <exception cref="InferenceException">The call failed.</exception>
    ValueTask InvokeAsync(IMessage request, Func<IMessage, ValueTask> send, CallContext context);
}

/// <summary>Makes methods whose types the compiler tells from their parts.</summary>
public static class CallerMethod
{
    /// <summary>Makes a <see cref="CallerUnaryMethod{TRequest, TResponse}"/>.</summary>
    public static CallerUnaryMethod<TRequest, TResponse> Unary<TRequest, TResponse>(
        string service, string name, MessageParser<TRequest> parser, Func<TRequest, CallContext, ValueTask<TResponse>> handler)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse> => new(service, name, parser, handler);
}

/// <summary>One request message, one response message, and a handler that is told who calls.</summary>
/// <param name="service">Full name of the service.</param>
/// <param name="name">Name of the method.</param>
/// <param name="parser">The request's parser.</param>
/// <param name="handler">Serves one call.</param>
public sealed class CallerUnaryMethod<TRequest, TResponse>(
    string service, string name, MessageParser<TRequest> parser, Func<TRequest, CallContext, ValueTask<TResponse>> handler)
    : RpcMethod(service, name), ICallerUnaryMethod
    where TRequest : class, IMessage<TRequest>, new()
    where TResponse : class, IMessage<TResponse>
{
    /// <inheritdoc/>
    public MessageDescriptor RequestType { get; } = new TRequest().Descriptor;

    /// <inheritdoc/>
    public override async ValueTask InvokeAsync(RpcCall call)
    {
        var request = await GeneratedMessage.ReadSingleAsync(call, parser).ConfigureAwait(false);
        var context = new CallContext(call.Caller, call.CancellationToken);
        GeneratedMessage.Write(call, await handler(request, context).ConfigureAwait(false));
    }

    /// <inheritdoc/>
    public async ValueTask<IMessage> InvokeAsync(IMessage request, CallContext context) =>
        await handler((TRequest)request, context).ConfigureAwait(false);
}

/// <summary>One request message, any number of responses, and a handler that is told who calls.</summary>
/// <param name="service">Full name of the service.</param>
/// <param name="name">Name of the method.</param>
/// <param name="parser">The request's parser.</param>
/// <param name="handler">Serves one call.</param>
public sealed class CallerStreamingMethod<TRequest, TResponse>(
    string service, string name, MessageParser<TRequest> parser,
    Func<TRequest, Func<TResponse, ValueTask>, CallContext, ValueTask> handler)
    : RpcMethod(service, name), ICallerStreamingMethod
    where TRequest : class, IMessage<TRequest>, new()
    where TResponse : class, IMessage<TResponse>
{
    /// <inheritdoc/>
    public MessageDescriptor RequestType { get; } = new TRequest().Descriptor;

    /// <inheritdoc/>
    public override async ValueTask InvokeAsync(RpcCall call)
    {
        var request = await GeneratedMessage.ReadSingleAsync(call, parser).ConfigureAwait(false);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(call.CancellationToken, call.Stopping);
        try
        {
            await handler(
                request, new ResponseSender<TResponse>(call).SendAsync, new CallContext(call.Caller, ended.Token)).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (call.Stopping.IsCancellationRequested)
        {
            throw new InferenceException(InferenceCode.Unavailable, Dispatch.RpcDispatcher.Stopping);
        }
    }

    /// <inheritdoc/>
    public ValueTask InvokeAsync(IMessage request, Func<IMessage, ValueTask> send, CallContext context) =>
        handler((TRequest)request, message => send(message), context);
}

/// <summary>Any number of requests, one response message, and a handler that is told who calls.</summary>
/// <param name="service">Full name of the service.</param>
/// <param name="name">Name of the method.</param>
/// <param name="parser">The requests' parser.</param>
/// <param name="handler">Serves one call.</param>
public sealed class CallerUploadMethod<TRequest, TResponse>(
    string service, string name, MessageParser<TRequest> parser,
    Func<IAsyncEnumerable<TRequest>, CallContext, ValueTask<TResponse>> handler) : RpcMethod(service, name)
    where TRequest : class, IMessage<TRequest>
    where TResponse : class, IMessage<TResponse>
{
    /// <inheritdoc/>
    public override async ValueTask InvokeAsync(RpcCall call)
    {
        var requests = RequestStream.ReadAllAsync(call, parser, call.CancellationToken);
        var context = new CallContext(call.Caller, call.CancellationToken);
        GeneratedMessage.Write(call, await handler(requests, context).ConfigureAwait(false));
    }
}
