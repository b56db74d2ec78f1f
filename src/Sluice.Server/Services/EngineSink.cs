using Sluice.Inference;
using Sluice.Server.Tracing;

namespace Sluice.Server.Services;

/// <summary>Does for each response of a decoupled model what <see cref="InferenceEngine"/> does for the only one of others.</summary>
/// <remarks>Stands before the front end's sink only when the request has tensors to place, is traced, or its outputs are sampled.</remarks>
/// <param name="inner">The front end's.</param>
/// <param name="placement">Places tensors.</param>
/// <param name="observer">Told of each response; null = nobody wants to know.</param>
internal sealed class EngineSink(IResponseSink inner, TensorPlacement placement, IRequestObserver? observer) : IResponseSink
{
    /// <summary>Tensors of further responses are left out: a stream may go on for days.</summary>
    private const int MostTensors = 1024;

    public void Begin(InferRequest request) => inner.Begin(request);

    public ValueTask WriteAsync(InferRequest request, ResponseKind kind)
    {
        if (request.Trace is { HasTensors: true } trace && trace.Tensors.Count < MostTensors)
            TensorText.NoteOutputs(request, trace);
        if (kind != ResponseKind.EmptyFinal)
            observer?.OnResponse(request);
        if (request.NeedsPlacement)
            placement.Place(request);
        if (request is { IsOk: false, Trace: { Status: InferenceCode.Ok } failed })
        {
            // The request goes on and forgets what the trace should tell.
            failed.Status = request.Status;
            failed.StatusMessage = request.StatusMessage;
        }

        return inner.WriteAsync(request, kind);
    }
}
