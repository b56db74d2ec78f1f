using Sluice.Inference;

namespace Sluice.Models;

/// <summary>A loaded model of the control plane that has no name yet: nobody but its holder can call it.</summary>
/// <remarks><b>Ownership.</b> The holder calls either <see cref="PublishAsync"/> or <see cref="DiscardAsync"/>, once.</remarks>
public sealed class StagedModel
{
    private readonly ModelLifecycle _lifecycle;
    private readonly LoadedModel _loaded;

    internal StagedModel(ModelLifecycle lifecycle, LoadedModel loaded) => (_lifecycle, _loaded) = (lifecycle, loaded);

    /// <summary>The model itself.</summary>
    public IModelReference Model => _loaded;

    /// <summary>Gives it its name, from a predecessor if there is one, which ends when its last request has.</summary>
    public Task PublishAsync() => _lifecycle.PublishAsync(_loaded);

    /// <summary>Unloads it.</summary>
    public Task DiscardAsync() => _loaded.RetireAsync();
}
