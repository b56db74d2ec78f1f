using Sluice.Inference;
using Sluice.Scheduling.RateLimit;

namespace Sluice.Scheduling.Loading;

/// <summary>Creates a model's instances, each with its seat; disposes what it has created when that comes to nothing.</summary>
internal sealed class InstanceMaker(RateLimiter? limiter) : IDisposable
{
    /// <summary>What has been created.</summary>
    public List<IModelInstance> Instances { get; } = [];

    /// <summary>Where each of them runs.</summary>
    public List<InstanceSeat> Seats { get; } = [];

    /// <summary>Lists the places of a model's instances.</summary>
    public static IEnumerable<(InstancePlacement Placement, RateLimitSettings? Needs)> Placements(ModelSettings settings)
    {
        foreach (var group in settings.InstanceGroups)
        {
            var devices = group.Kind == InstanceKind.Gpu ? group.Gpus : [0];
            var index = 0;
            foreach (var device in devices)
            {
                for (var i = 0; i < group.Count; i++)
                    yield return (new InstancePlacement($"{group.Name}_{index++}", group.Kind, device), group.RateLimit);
            }
        }
    }

    /// <summary>Creates instances at the given places.</summary>
    /// <exception cref="InferenceException">One cannot be made, or will never have what it needs.</exception>
    public void Create(
        IBackendModel model, ModelSettings settings, IEnumerable<(InstancePlacement Placement, RateLimitSettings? Needs)> places,
        CancellationToken cancellationToken)
    {
        foreach (var (placement, needs) in places)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var limit = needs is null ? null : limiter?.Add(settings.Name, needs, placement.DeviceId);
            Seats.Add(new InstanceSeat(placement, limit, needs));
            Instances.Add(model.CreateInstance(settings, placement));
        }
    }

    public void Dispose()
    {
        Instances.ForEach(instance => instance.Dispose());
        Seats.ForEach(seat => seat.Dispose());
    }
}
