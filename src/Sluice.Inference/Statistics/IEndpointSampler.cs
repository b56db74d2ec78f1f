namespace Sluice.Inference;

/// <summary>Takes samples of endpoints' calls.</summary>
/// <remarks><b>Threads.</b> Any number of callers; none waits, and what there is no room for is dropped and counted.</remarks>
public interface IEndpointSampler
{
    /// <summary>Decides whether a call is sampled.</summary>
    bool Draw(SamplingPlan plan);

    /// <summary>Takes a successful call of <c>POST /serve</c>; nothing of it is kept by reference but the code's statistics.</summary>
    /// <param name="plan">Says what is taken.</param>
    /// <param name="ticks">From before the code's first step to after its last, <see cref="System.Diagnostics.Stopwatch"/> ticks.</param>
    /// <param name="call">The request.</param>
    /// <param name="reply">Its answer.</param>
    void Take(SamplingPlan plan, long ticks, EndpointCall call, EndpointReply reply);

    /// <summary>Takes a successful request of the v2 protocol, with its tensors by name.</summary>
    /// <param name="plan">Says what is taken.</param>
    /// <param name="ticks">From the complete request to its answer.</param>
    /// <param name="request">Bound and answered, its data still there.</param>
    void Take(SamplingPlan plan, long ticks, InferRequest request);
}

/// <summary>Told of each request that the core has answered, well or with a failure.</summary>
/// <remarks><b>Threads.</b> Those of requests; it must not wait.</remarks>
public interface IRequestObserver
{
    /// <summary>Looks at an answered request; inputs and outputs are still there.</summary>
    void OnAnswered(InferRequest request);
}
