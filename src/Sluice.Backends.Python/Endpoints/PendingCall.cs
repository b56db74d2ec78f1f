using Sluice.Inference;

namespace Sluice.Backends.Python.Endpoints;

/// <summary>One call of an endpoint that a worker has.</summary>
internal sealed class PendingCall(uint number, EndpointCall call)
{
    private readonly TaskCompletionSource<EndpointReply> _reply = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public uint Number => number;

    public EndpointCall Call => call;

    /// <summary>Its byte in the worker's shared memory.</summary>
    public int Slot { get; set; }

    /// <summary>When it was first seen under way, milliseconds; 0 = it waits.</summary>
    public long StartedAt { get; set; }

    /// <summary>When it was cancelled, milliseconds; 0 = somebody waits.</summary>
    public long CancelledAt { get; set; }

    /// <summary>Times that it was given to a worker.</summary>
    public int Attempts { get; set; }

    public Task<EndpointReply> Reply => _reply.Task;

    public void Complete(EndpointReply reply) => _reply.TrySetResult(reply);
}
