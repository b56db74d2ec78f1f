using Sluice.Tensors;

namespace Sluice.Inference;

/// <summary>An instance that sees the requests of a batch one by one and answers each on its own, somewhere else than on the
/// thread that calls it.</summary>
/// <remarks>
/// <para>Its models may have effects beside their answers, so nothing is run twice: no warm-up, and no second try for the
/// others when one request fails the batch.</para>
/// <para><b>Threads.</b> As <see cref="IModelInstance"/>. <see cref="ExecuteAsync(IRequestGroup)"/> returns at once and goes on
/// elsewhere; <see cref="Cancel"/> may come from any thread at any time.</para>
/// </remarks>
public interface IRequestInstance : IModelInstance
{
    /// <summary>Runs a group of requests and answers or fails each of them.</summary>
    /// <remarks>The group and its requests are lent until the task ends. An exception fails those without an answer.</remarks>
    ValueTask ExecuteAsync(IRequestGroup requests);

    /// <summary>Nobody waits any more for the request at that position of the running group.</summary>
    void Cancel(int position);

    /// <inheritdoc/>
    ValueTask IModelInstance.ExecuteAsync(ExecutionBatch batch) =>
        throw new NotSupportedException($"an instance for model '{batch.Settings.Name}' runs requests, not batches");
}

/// <summary>The requests of one execution, with the way back of their answers.</summary>
/// <remarks><b>Threads.</b> One at a time.</remarks>
public interface IRequestGroup
{
    /// <summary>Number of requests, at least 1.</summary>
    int Count { get; }

    /// <summary>A request; to be read only.</summary>
    InferRequest this[int position] { get; }

    /// <summary>All dimensions of a request's input as the model sees them: batch dimension first, reshape applied.</summary>
    Shape InputShape(int position, in InputTensor input);

    /// <summary>Copies an input's data to where the model reads it.</summary>
    /// <param name="position">Which request.</param>
    /// <param name="input">One of its inputs.</param>
    /// <param name="target">Exactly as long as the data.</param>
    void CopyInput(int position, in InputTensor input, Span<byte> target);

    /// <summary>Begins an answer: an empty batch with the request's rows and requested outputs.</summary>
    /// <returns>For one <see cref="Answer"/>; who does not answer with it releases it.</returns>
    ExecutionBatch Rent(int position);

    /// <summary>Answers a request. Requested outputs that the answer does not have are left out.</summary>
    /// <param name="position">Which request.</param>
    /// <param name="response">From <see cref="Rent"/>; taken.</param>
    void Answer(int position, ExecutionBatch response);

    /// <summary>Has the request come again, in a later group; only for models whose sequences are iterative.</summary>
    void Reschedule(int position);

    /// <summary>Fails a request.</summary>
    void Fail(int position, InferenceCode code, string message);
}
