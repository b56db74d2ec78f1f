using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Sluice.Rpc.Calls;

/// <summary>A unary method seen without its types, for fronts that speak another encoding of the same messages.</summary>
public interface IUnaryMethod
{
    /// <summary>The request message's type.</summary>
    MessageDescriptor RequestType { get; }

    /// <summary>Serves one call.</summary>
    /// <param name="request">A message of <see cref="RequestType"/>.</param>
    /// <param name="cancellationToken">Cancelled when the caller is gone.</param>
    /// <exception cref="Inference.InferenceException">The call failed.</exception>
    ValueTask<IMessage> InvokeAsync(IMessage request, CancellationToken cancellationToken);
}

/// <summary>One request message, one response message.</summary>
/// <param name="service">Full name of the service.</param>
/// <param name="name">Name of the method.</param>
/// <param name="parser">The request's parser.</param>
/// <param name="handler">Serves one call.</param>
public sealed class UnaryMethod<TRequest, TResponse>(
    string service, string name, MessageParser<TRequest> parser,
    Func<TRequest, CancellationToken, ValueTask<TResponse>> handler) : RpcMethod(service, name), IUnaryMethod
    where TRequest : class, IMessage<TRequest>, new()
    where TResponse : class, IMessage<TResponse>
{
    /// <inheritdoc/>
    public MessageDescriptor RequestType { get; } = new TRequest().Descriptor;

    /// <inheritdoc/>
    public override async ValueTask InvokeAsync(RpcCall call)
    {
        var request = await GeneratedMessage.ReadSingleAsync(call, parser).ConfigureAwait(false);
        GeneratedMessage.Write(call, await handler(request, call.CancellationToken).ConfigureAwait(false));
    }

    /// <inheritdoc/>
    public async ValueTask<IMessage> InvokeAsync(IMessage request, CancellationToken cancellationToken) =>
        await handler((TRequest)request, cancellationToken).ConfigureAwait(false);
}
