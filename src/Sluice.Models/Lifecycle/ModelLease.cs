using Sluice.Inference;
using Sluice.Protocol.Inference;

namespace Sluice.Models;

/// <summary>Keeps a model version loaded while it is in use.</summary>
/// <remarks>
/// <b>Ownership.</b> Whoever acquired it disposes it exactly once; copies are the same lease, not further ones.
/// </remarks>
public readonly struct ModelLease : IDisposable
{
    private readonly LoadedModel? _model;

    internal ModelLease(LoadedModel model) => _model = model;

    /// <summary>Keeps a model loaded that is not looked up by its name.</summary>
    /// <param name="model">Of a <see cref="ModelLifecycle"/>.</param>
    /// <param name="lease">On success; the caller disposes it.</param>
    /// <param name="fault">When it has gone.</param>
    public static bool TryAcquire(IModelReference model, out ModelLease lease, out ModelLookupFault fault)
    {
        var isHeld = model.TryAddReference();
        lease = isHeld ? new ModelLease((LoadedModel)model) : default;
        fault = isHeld ? default : new(InferenceCode.Unavailable, $"model '{model.Servable.Settings.Name}' has been unloaded");
        return isHeld;
    }

    /// <summary>The model; usable until the lease is disposed.</summary>
    public IServable Servable => _model!.Servable;

    /// <summary>The completed configuration; read only.</summary>
    public ModelConfig Config => _model!.Config;

    /// <summary>Ends the use; an empty lease does nothing.</summary>
    public void Dispose() => _model?.Release();
}
