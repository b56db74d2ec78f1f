using System.Diagnostics;
using System.Runtime.CompilerServices;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Server.Tracing;

namespace Sluice.Server.Services;

/// <summary>The core behind the front ends: finds the model, checks the request, hands it to the model's scheduler.</summary>
/// <param name="models">What is loaded.</param>
/// <param name="placement">Finds and fills tensors in shared memory, ranks classes.</param>
/// <param name="forwardsHeaders">Some front end has headers to forward.</param>
/// <param name="observer">Told of requests that are no part of others; null = nobody.</param>
public sealed class InferenceEngine(ModelTable models, TensorPlacement placement, bool forwardsHeaders, IRequestObserver? observer = null)
    : IInferenceEngine
{
    /// <inheritdoc/>
    public ValueTask InferAsync(InferRequest request)
    {
        ModelLookupFault fault;
        ModelLease lease;
        if (!(request.Model is { } model
            ? ModelLease.TryAcquire(model, out lease, out fault)
            : models.TryAcquire(request.Text(request.ModelName), request.Text(request.ModelVersion), out lease, out fault)))
        {
            request.IsRefused = true;
            request.Fail(fault.Code, fault.Message);
            return ValueTask.CompletedTask;
        }

        var servable = lease.Servable;
        if (servable.Settings.IsDecoupled && !TryBeginStream(request))
        {
            lease.Dispose();
            return ValueTask.CompletedTask;
        }

        var wantsResponses = servable.Settings.IsDecoupled && observer is not null && !request.IsPart &&
            observer.OnStreaming(request, servable.Settings);
        var isBinding = false;
        try
        {
            if (forwardsHeaders)
                request.Lifetime?.ForwardHeaders(request);
            if (request.NeedsPlacement)
                placement.Attach(request);
            isBinding = true;
            RequestBinder.Bind(request, servable.Settings);
            isBinding = false;
            if (request.NeedsPlacement)
                TensorPlacement.Check(request);
            if (request.Trace is { HasTensors: true } trace)
                TensorText.NoteInputs(request, trace);
        }
        catch (InferenceException error)
        {
            // Only what the original's core refuses carries the request's id, not what its front ends do (spec §1.3).
            request.IsRefused = true;
            request.Fail(error.Code, isBinding ? request.IdPrefix + error.Message : error.Message);
            if (request.NeedsPlacement)
                request.Placement.ReleaseRegions();

            // A model's own call of another one comes without its time of arrival.
            servable.Statistics.RecordFailure(
                FailureReason.Other, request.ReceivedAt == 0 ? 0 : Stopwatch.GetTimestamp() - request.ReceivedAt);
            lease.Dispose();
            Observe(request);
            return ValueTask.CompletedTask;
        }

        if (servable.Settings.IsDecoupled && (wantsResponses || request.NeedsPlacement || request.Trace is not null))
            request.Sink = new EngineSink(request.Sink!, placement, wantsResponses ? observer : null);
        var running = servable.ExecuteAsync(request);
        if (!running.IsCompletedSuccessfully)
            return AwaitAsync(running, request, lease);
        Finish(request, lease);
        return running;
    }

    private static bool TryBeginStream(InferRequest request)
    {
        request.Sink?.Begin(request);
        if (request.Sink is not null)
            return true;
        request.IsRefused = true;
        request.Fail(InferenceCode.Unimplemented, request.DecoupledRefusal);
        return false;
    }

    [AsyncMethodBuilder(typeof(WaitingMethodBuilder))]
    private async ValueTask AwaitAsync(ValueTask running, InferRequest request, ModelLease lease)
    {
        await running.ConfigureAwait(false);
        Finish(request, lease);
    }

    private void Finish(InferRequest request, ModelLease lease)
    {
        lease.Dispose();
        ExplainRefusal(request);
        if (request.Trace is { HasTensors: true } trace)
            TensorText.NoteOutputs(request, trace);
        Observe(request);
        if (request.NeedsPlacement)
            placement.Finish(request);
    }

    private void Observe(InferRequest request)
    {
        if (observer is not null && !request.IsPart)
            observer.OnAnswered(request);
    }

    /// <summary>Refusals of the queue carry the request's id, as all errors of the original's core do (spec §1.3), and what a model says
    /// itself does not.</summary>
    private static void ExplainRefusal(InferRequest request)
    {
        if (request.Status != InferenceCode.Unavailable || request.HasModelFailed || request.Settings?.Ensemble is not null)
            return;
        var message = request.IdPrefix + request.StatusMessage;
        request.ClearFailure();
        request.Fail(InferenceCode.Unavailable, message);
    }
}
