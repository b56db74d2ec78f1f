namespace Sluice.Inference;

/// <summary>What a response in a stream of responses is.</summary>
public enum ResponseKind
{
    /// <summary>More may follow.</summary>
    Partial,

    /// <summary>The last one.</summary>
    Final,

    /// <summary>No response, only the news that there will be no more.</summary>
    EmptyFinal,
}

/// <summary>Takes the responses of one request as the model makes them; front ends that can stream implement it.</summary>
/// <remarks>
/// A request with a sink may be served by a decoupled model. When <see cref="IInferenceEngine.InferAsync"/> ends with success
/// for such a model, everything has gone through the sink, the final response included. When it ends with a failure, the
/// request never ran and the failure is the only answer. Other models leave their one response in the request, as ever.
/// </remarks>
public interface IResponseSink
{
    /// <summary>The request's model is decoupled. Called once, before <see cref="IInferenceEngine.InferAsync"/> returns.</summary>
    void Begin(InferRequest request);

    /// <summary>Takes the response, or the failure, that stands in the request.</summary>
    /// <remarks>
    /// <para><b>Ownership.</b> Outputs and status are lent until the task ends.</para>
    /// <para><b>Threads.</b> Any thread, one call at a time.</para>
    /// </remarks>
    /// <returns>Completes when there is room for the next response, at once when nobody reads any more; never fails.</returns>
    ValueTask WriteAsync(InferRequest request, ResponseKind kind);
}
