using System.Diagnostics;
using Sluice.Inference;

namespace Sluice.Control.Endpoints;

/// <summary>Counts requests of the v2 protocol, on all its fronts, for the endpoints whose models they ran.</summary>
/// <remarks>
/// <para>Requests pay one read and one branch where there is no endpoint.</para>
/// <para>A request of a decoupled model is drawn once, before it runs: each of its responses is sampled, or none, and it counts as
/// one call, which has failed if one of them has. Whether responses are looked at is decided when it begins; which variables are
/// taken is what the configuration says when a response comes.</para>
/// </remarks>
public sealed class EndpointObserver(EndpointTable table, IEndpointSampler? sampler) : IRequestObserver
{
    /// <inheritdoc/>
    public void OnAnswered(InferRequest request)
    {
        var models = table.Snapshot.StatisticsByModel;
        if (models.Count == 0 || request.Settings is not { } settings)
            return;
        var statistics = request.Endpoint;
        if (!settings.IsDecoupled)
            models.TryGetValue(settings.Name, out statistics);
        if (statistics is null)
            return;
        var ticks = Stopwatch.GetTimestamp() - request.ReceivedAt;
        var status = request.IsOk ? request.ResponseStatus : request.Status;
        statistics.Record(status.ToOutcome(), ticks);
        if (status == InferenceCode.Ok && sampler is not null && statistics.Plan is { } plan &&
            (settings.IsDecoupled ? request.IsSampled : sampler.Draw(plan)))
            sampler.Take(plan, ticks, request);
    }

    /// <inheritdoc/>
    public bool OnStreaming(InferRequest request, ModelSettings settings)
    {
        var models = table.Snapshot.StatisticsByModel;
        if (models.Count == 0 || !models.TryGetValue(settings.Name, out var statistics))
            return false;
        request.Endpoint = statistics;
        request.IsSampled = sampler is not null && statistics.Plan is { } plan && sampler.Draw(plan);
        return request.IsSampled && statistics.Plan is { Variables.IsEmpty: false };
    }

    /// <inheritdoc/>
    public void OnResponse(InferRequest request)
    {
        if (request.IsOk && request.Endpoint?.Plan is { Variables.IsEmpty: false } plan)
            sampler!.TakeResponse(plan, request);
    }
}
