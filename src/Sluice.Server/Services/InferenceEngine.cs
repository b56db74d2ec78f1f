using System.Runtime.CompilerServices;
using Sluice.Inference;
using Sluice.Models;

namespace Sluice.Server.Services;

/// <summary>The core behind the front ends: finds the model, checks the request, hands it to the model's scheduler.</summary>
public sealed class InferenceEngine(ModelTable models) : IInferenceEngine
{
    /// <inheritdoc/>
    public ValueTask InferAsync(InferRequest request)
    {
        if (!models.TryAcquire(
            request.Text(request.ModelName), request.Text(request.ModelVersion), out var lease, out var fault))
        {
            request.Fail(fault.Code, fault.Message);
            return ValueTask.CompletedTask;
        }

        var servable = lease.Servable;
        try
        {
            RequestBinder.Bind(request, servable.Settings);
        }
        catch (InferenceException error)
        {
            request.Fail(error.Code, Prefix(request) + error.Message);
            servable.Statistics.RecordFailure(FailureReason.Other, 0);
            lease.Dispose();
            return ValueTask.CompletedTask;
        }

        var running = servable.ExecuteAsync(request);
        if (!running.IsCompletedSuccessfully)
            return AwaitAsync(running, request, lease);
        lease.Dispose();
        ExplainRefusal(request);
        return running;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private static async ValueTask AwaitAsync(ValueTask running, InferRequest request, ModelLease lease)
    {
        await running.ConfigureAwait(false);
        lease.Dispose();
        ExplainRefusal(request);
    }

    /// <summary>Refusals of the queue carry the request's id, as all errors of the original's core do (spec §1.3).</summary>
    private static void ExplainRefusal(InferRequest request)
    {
        if (request.Status != InferenceCode.Unavailable)
            return;
        var message = Prefix(request) + request.StatusMessage;
        request.ClearFailure();
        request.Fail(InferenceCode.Unavailable, message);
    }

    private static string Prefix(InferRequest request) =>
        $"[request id: {(request.Id.IsEmpty ? "<id_unknown>" : request.TextString(request.Id))}] ";
}
