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

    /// <summary>The model; usable until the lease is disposed.</summary>
    public IServable Servable => _model!.Servable;

    /// <summary>The completed configuration; read only.</summary>
    public ModelConfig Config => _model!.Config;

    /// <summary>Ends the use; an empty lease does nothing.</summary>
    public void Dispose() => _model?.Release();
}
