using System.Diagnostics;
using Sluice.Inference;

namespace Sluice.Control.Endpoints;

/// <summary>Counts requests of the v2 protocol, on all its fronts, for the endpoints whose models they ran.</summary>
/// <remarks>Requests pay one read and one branch where there is no endpoint.</remarks>
public sealed class EndpointObserver(EndpointTable table, IEndpointSampler? sampler) : IRequestObserver
{
    /// <inheritdoc/>
    public void OnAnswered(InferRequest request)
    {
        var models = table.Snapshot.StatisticsByModel;
        if (models.Count == 0 || request.Settings is not { } settings || !models.TryGetValue(settings.Name, out var statistics))
            return;
        var ticks = Stopwatch.GetTimestamp() - request.ReceivedAt;
        statistics.Record(request.Status.ToOutcome(), ticks);
        if (request.IsOk && sampler is not null && statistics.Plan is { } plan && sampler.Draw(plan))
            sampler.Take(plan, ticks, request);
    }
}
