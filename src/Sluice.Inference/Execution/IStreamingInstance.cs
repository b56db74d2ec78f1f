namespace Sluice.Inference;

/// <summary>An instance that answers a request with any number of responses, when and from where it likes.</summary>
/// <remarks><b>Threads.</b> As <see cref="IModelInstance"/>: one execution at a time. Responses may go on after the execution
/// has ended, so many requests of one instance may be under way.</remarks>
public interface IStreamingInstance : IModelInstance
{
    /// <summary>Takes one request. The instance is given the next one when the task ends.</summary>
    /// <remarks>Runs on a thread of the pool, so whoever blocks or computes long moves to a thread of their own. A failure
    /// thrown before the final response becomes the final response.</remarks>
    /// <param name="responses">The request with its way back; everything of it is valid until the final response has been
    /// sent, whether the task has ended before or not.</param>
    ValueTask ExecuteAsync(IResponseChannel responses);

    /// <inheritdoc/>
    ValueTask IModelInstance.ExecuteAsync(ExecutionBatch batch) =>
        throw new NotSupportedException($"an instance for model '{batch.Settings.Name}' answers response by response");
}

/// <summary>One request at a streaming instance, and the way of its responses back to the caller.</summary>
/// <remarks>
/// <para>Any number of responses, then exactly one end: a final response, a final failure, <see cref="CompleteAsync"/> or
/// <see cref="RescheduleAsync"/>. Each call completes when the caller has room for more: who waits for it keeps at most one
/// response of a slow reader in memory.</para>
/// <para><b>Threads.</b> Any; calls from several threads take turns.</para>
/// </remarks>
public interface IResponseChannel
{
    /// <summary>The request: id, sequence, parameters. To be read only.</summary>
    InferRequest Request { get; }

    /// <summary>The request's inputs, gathered; lent until the final response.</summary>
    ExecutionBatch Inputs { get; }

    /// <summary>Cancelled when nobody waits for the responses any more; the instance had better end then, with
    /// <see cref="InferenceCode.Cancelled"/>.</summary>
    CancellationToken CancellationToken { get; }

    /// <summary>Begins a response: an empty batch with the request's rows and requested outputs.</summary>
    /// <returns>For one <see cref="SendAsync"/>; an instance that does not send it releases it.</returns>
    ExecutionBatch Rent();

    /// <summary>Sends a response. Requested outputs that it does not have are left out of it.</summary>
    /// <param name="response">From <see cref="Rent"/>; taken, also on failure.</param>
    /// <param name="isFinal">It is the last one.</param>
    /// <exception cref="InvalidOperationException">The final response has been sent.</exception>
    ValueTask SendAsync(ExecutionBatch response, bool isFinal = false);

    /// <summary>Sends a failure in place of a response.</summary>
    /// <param name="code">Never <see cref="InferenceCode.Ok"/>.</param>
    /// <param name="message">For the caller.</param>
    /// <param name="isFinal">It is the last one.</param>
    /// <exception cref="InvalidOperationException">The final response has been sent.</exception>
    ValueTask FailAsync(InferenceCode code, string message, bool isFinal = false);

    /// <summary>Ends without another response.</summary>
    /// <exception cref="InvalidOperationException">The final response has been sent.</exception>
    ValueTask CompleteAsync();

    /// <summary>Ends without a final response for now: the request comes again, to the same instance, with what the step left
    /// in the sequence's states. Only for models whose sequences are iterative; elsewhere the request fails.</summary>
    /// <exception cref="InvalidOperationException">The final response has been sent.</exception>
    ValueTask RescheduleAsync();

    /// <summary>Counts a step that made no response; the next one has the next index in the statistics.</summary>
    void SkipResponse();
}
