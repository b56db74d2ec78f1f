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

    /// <summary>Takes the outputs of one response of a decoupled model, without counting a call.</summary>
    /// <param name="plan">Says what is taken.</param>
    /// <param name="request">The response stands in it.</param>
    void TakeResponse(SamplingPlan plan, InferRequest request);
}

/// <summary>Told of each request that the core has answered, well or with a failure.</summary>
/// <remarks><b>Threads.</b> Those of requests; it must not wait.</remarks>
public interface IRequestObserver
{
    /// <summary>Looks at an answered request; inputs are still there, and so are outputs unless the model is decoupled.</summary>
    void OnAnswered(InferRequest request);

    /// <summary>A decoupled model's request is about to be checked and run; <see cref="OnAnswered"/> follows.</summary>
    /// <param name="request">Not bound yet.</param>
    /// <param name="settings">Its model.</param>
    /// <returns>Whether <see cref="OnResponse"/> is to be told of its responses.</returns>
    bool OnStreaming(InferRequest request, ModelSettings settings);

    /// <summary>Looks at a decoupled model's response, which stands in the request, before it is written.</summary>
    void OnResponse(InferRequest request);
}
