using System.Security.Cryptography;
using Google.Protobuf;
using Sluice.Client;
using Sluice.Inference;
using Sluice.Protocol.Control.V1;

namespace Sluice.Cli.Control;

/// <summary>The server's control API over gRPC.</summary>
/// <remarks><b>Ownership.</b> Dispose once.</remarks>
internal sealed class ControlClient : IDisposable
{
    private const string Package = "/sluice.control.v1.";

    private static readonly TimeSpan CallLimit = TimeSpan.FromSeconds(60);

    private readonly Uri _address;
    private readonly SluiceClient _client;
    private readonly RpcMetadata? _metadata;

    /// <param name="address">The gRPC port.</param>
    /// <param name="token">An API key or a web token; null = none.</param>
    public ControlClient(Uri address, string? token)
    {
        _address = address;
        _client = new SluiceClient(address);
        if (string.IsNullOrEmpty(token))
            return;
        _metadata = [];
        _metadata.Add("authorization", $"Bearer {token}");
    }

    public void Dispose() => _client.Dispose();

    /// <summary>Calls a method.</summary>
    /// <param name="method">Such as <c>Services/ListServices</c>.</param>
    /// <param name="request">The request.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="CommandException">It failed; the message is the server's.</exception>
    public async Task<T> CallAsync<T>(string method, IMessage request, CancellationToken cancellationToken)
        where T : class, IMessage<T>, new()
    {
        try
        {
            return await _client.CallAsync(
                Package + method, request, new MessageParser<T>(() => new T()),
                new CallOptions { Timeout = CallLimit, Metadata = _metadata }, cancellationToken).ConfigureAwait(false);
        }
        catch (SluiceException error)
        {
            throw Explain(error);
        }
    }

    /// <summary>Sends messages and reads the one answer.</summary>
    public async Task<TResponse> UploadAsync<TRequest, TResponse>(
        string method, IAsyncEnumerable<TRequest> messages, CancellationToken cancellationToken)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse>, new()
    {
        try
        {
            await using var call = _client.OpenStream<TRequest, TResponse>(
                Package + method, new MessageParser<TResponse>(() => new TResponse()), new CallOptions { Metadata = _metadata }, cancellationToken);
            try
            {
                await foreach (var message in messages.ConfigureAwait(false))
                    await call.WriteAsync(message).ConfigureAwait(false);
                call.Complete();
            }
            catch (SluiceException)
            {
                // The server ended the call: reading says why.
            }

            return await call.ReadAsync().ConfigureAwait(false) ?? throw new CommandException("the server ended the upload without an answer");
        }
        catch (SluiceException error)
        {
            throw Explain(error);
        }
    }

    /// <summary>Follows a method that answers many times.</summary>
    public async IAsyncEnumerable<T> FollowAsync<T>(
        string method, IMessage request, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
        where T : class, IMessage<T>, new()
    {
        await using var call = _client.OpenStream<IMessage, T>(
            Package + method, new MessageParser<T>(() => new T()), new CallOptions { Metadata = _metadata }, cancellationToken);
        await call.WriteAsync(request).ConfigureAwait(false);
        call.Complete();
        while (true)
        {
            T? answer;
            try
            {
                answer = await call.ReadAsync().ConfigureAwait(false);
            }
            catch (SluiceException error)
            {
                throw Explain(error);
            }

            if (answer is null)
                yield break;
            yield return answer;
        }
    }

    /// <summary>A short name of a service's records: the same for the same records.</summary>
    public static string Hash(DesiredState state)
    {
        var records = state.Clone();
        records.Service = null;
        records.Revision = 0;
        return Convert.ToHexStringLower(SHA256.HashData(records.ToByteArray()).AsSpan(0, 16));
    }

    private CommandException Explain(SluiceException error) => new(
        error.Code == InferenceCode.Unavailable
            ? $"{error.Message} (the server is asked at {_address}; name another gRPC port by --server or SLUICE_SERVER)"
            : error.Code == InferenceCode.Unimplemented
                ? $"{error.Message} (does the server at {_address} have its control plane switched on?)"
                : error.Message);
}
