namespace Sluice.Inference;

/// <summary>Runs endpoints of the ClearML style: a model with user code around it, called with a body and not with tensors.</summary>
/// <remarks><b>Threads.</b> Any number of callers; loads run in parallel.</remarks>
public interface IEndpointEngine : IAsyncDisposable
{
    /// <summary>The engine names it serves, such as <c>sklearn</c> and <c>custom</c>.</summary>
    IReadOnlyCollection<string> Engines { get; }

    /// <summary>Tells whether this engine takes a plan; with several that do, the first one loads it.</summary>
    bool CanLoad(EndpointPlan plan) => Engines.Contains(plan.Engine);

    /// <summary>Loads an endpoint until it can be called. Runs off the request path and may take long.</summary>
    /// <exception cref="InferenceException">It cannot be served; the message says why and how to mend it.</exception>
    Task<IEndpointRunner> LoadAsync(EndpointPlan plan, CancellationToken cancellationToken);
}

/// <summary>A loaded endpoint.</summary>
/// <remarks><b>Threads.</b> Any number of callers. Disposal waits until every accepted call has ended.</remarks>
public interface IEndpointRunner : IAsyncDisposable
{
    /// <summary>False while calls would fail, as when its processes are being restarted.</summary>
    bool IsReady { get; }

    /// <summary>Runs one call. The reply says how it ended; the task itself never fails.</summary>
    ValueTask<EndpointReply> RunAsync(EndpointCall call);
}

/// <summary>What user code may call in the server it runs beside.</summary>
/// <remarks><b>Threads.</b> Any.</remarks>
public interface IEndpointCalls
{
    /// <summary>Calls an endpoint by name as <c>POST /serve/name/version</c> would, without leaving the process.</summary>
    /// <param name="name">Endpoint or canary, slashes at its ends ignored.</param>
    /// <param name="version">Null or empty = none.</param>
    /// <param name="call">Body and lifetime.</param>
    /// <returns>Never fails; an unknown endpoint is <see cref="EndpointOutcome.NotFound"/>.</returns>
    ValueTask<EndpointReply> CallAsync(string name, string? version, EndpointCall call);
}
