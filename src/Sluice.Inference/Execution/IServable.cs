namespace Sluice.Inference;

/// <summary>A loaded model version that takes requests: scheduler, instances and statistics together.</summary>
/// <remarks><b>Threads.</b> Any number of callers. Disposal waits until every accepted request has ended.</remarks>
public interface IServable : IAsyncDisposable
{
    /// <summary>The completed settings.</summary>
    ModelSettings Settings { get; }

    /// <summary>What the model has done so far.</summary>
    ModelStatistics Statistics { get; }

    /// <summary>Executions that run longer than the watchdog allows; while there are any the model is not ready.</summary>
    int HangingCount => 0;

    /// <summary>Sequences of the model now; null = its requests do not belong to sequences.</summary>
    SequenceFigures? Sequences => null;

    /// <summary>False while requests would fail; the model is not ready then.</summary>
    bool IsHealthy => true;

    /// <summary>Equal requests may be answered from the response cache.</summary>
    bool HasCache => false;

    /// <summary>Schedules a request and completes when its response, or its failure, stands in it.</summary>
    /// <remarks>
    /// <para>The result is read from <see cref="InferRequest.Status"/>; the task itself never fails. A decoupled model gives
    /// its responses to <see cref="InferRequest.Sink"/>, all of them before the task ends.</para>
    /// <para><b>Ownership.</b> The request and the memory of its inputs are lent until the task ends.</para>
    /// <para><b>Threads.</b> The task may complete on the calling thread (a cheap model that runs inline) or continue on the
    /// model's thread.</para>
    /// </remarks>
    /// <param name="request">Bound to this model by <see cref="RequestBinder"/>.</param>
    ValueTask ExecuteAsync(InferRequest request);
}

/// <summary>How many sequences a model has.</summary>
/// <param name="UnderWay">All of them.</param>
/// <param name="Waiting">Those of them that wait for a slot.</param>
public readonly record struct SequenceFigures(int UnderWay, int Waiting);

/// <summary>The whole core behind the front ends: find the model, check the request, run it.</summary>
public interface IInferenceEngine
{
    /// <summary>Runs one request; <see cref="InferRequest.Status"/> says how it ended and the task itself never fails.</summary>
    /// <remarks><b>Ownership.</b> As <see cref="IServable.ExecuteAsync"/>; the caller calls
    /// <see cref="InferRequest.Reset"/> when the response has been written.</remarks>
    ValueTask InferAsync(InferRequest request);
}
