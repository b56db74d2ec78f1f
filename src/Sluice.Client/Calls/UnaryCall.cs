using Sluice.Client.Framing;
using Sluice.Inference;

namespace Sluice.Client.Calls;

/// <summary>Runs calls of one request and one response, trying again where the policy says so.</summary>
internal static class UnaryCall
{
    /// <summary>Runs a call.</summary>
    /// <returns>The answer; the caller disposes it.</returns>
    public static async Task<ReceivedMessage> RunAsync(
        RpcChannel channel, string path, OutgoingMessage message, CallOptions call, CancellationToken cancellationToken)
    {
        using var deadline = channel.Begin(call, cancellationToken);
        var retry = call.Retry ?? channel.Options.Retry;
        for (var attempt = 1; ; attempt++)
        {
            SluiceException failure;
            try
            {
                return await AttemptAsync(channel, path, message, call, deadline).ConfigureAwait(false);
            }
            catch (Exception error)
            {
                failure = RpcFailure.From(error, deadline);
                if (!retry.ShouldRetry(failure, attempt))
                {
                    if (ReferenceEquals(failure, error))
                        throw;
                    throw failure;
                }
            }

            var wait = retry.BackoffAfter(failure, attempt, Random.Shared.NextDouble());
            if (deadline.Left <= wait)
                throw failure;
            await Task.Delay(wait, channel.Options.TimeProvider, cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task<ReceivedMessage> AttemptAsync(
        RpcChannel channel, string path, OutgoingMessage message, CallOptions call, CallDeadline deadline)
    {
        var isCompressed = channel.IsCompressed(call);
        using var content = new UnaryContent(message, isCompressed);
        using var response = await channel.SendAsync(path, content, call, isCompressed, deadline).ConfigureAwait(false);
        var reader = await channel.OpenBodyAsync(response, call, deadline).ConfigureAwait(false);
        var answer = await RpcChannel.ReadAsync(reader, response, call, deadline).ConfigureAwait(false) ??
            throw new SluiceException(InferenceCode.Internal, "the call ended without an answer");
        try
        {
            using var second = await RpcChannel.ReadAsync(reader, response, call, deadline).ConfigureAwait(false);
            if (second is not null)
                throw new SluiceException(InferenceCode.Internal, "the call was answered more than once");
            return answer;
        }
        catch
        {
            answer.Dispose();
            throw;
        }
    }
}
