using Microsoft.Extensions.Logging;
using Sluice.Inference;

namespace Sluice.Scheduling.Decoupled;

/// <summary>The scheduler behind a <see cref="ResponseChannel"/>.</summary>
internal interface IChannelOwner
{
    /// <summary>The settings that the channel's batches have.</summary>
    ModelSettings EngineSettings { get; }

    /// <summary>Where the channel counts.</summary>
    ModelStatistics Statistics { get; }

    /// <summary>The scheduler's clock.</summary>
    long Now { get; }

    /// <summary>For failures of the engine.</summary>
    ILogger Logger { get; }

    /// <summary>A model may have a request run again.</summary>
    bool AllowsReschedule { get; }

    /// <summary>Begins a batch.</summary>
    ExecutionBatch RentBatch(int rows);

    /// <summary>Hands a response to its request.</summary>
    void Split(ExecutionBatch response, ReadOnlySpan<InferRequest> requests);

    /// <summary>All of a request's responses have been sent.</summary>
    /// <param name="request">It does not run any more.</param>
    /// <param name="endsInFailure">Its last response is a failure.</param>
    void End(InferRequest request, bool endsInFailure);

    /// <summary>A request is to run again, with the same channel.</summary>
    void Pause(InferRequest request, ResponseChannel channel);

    /// <summary>The channel is free for another request.</summary>
    void Return(ResponseChannel channel);
}
