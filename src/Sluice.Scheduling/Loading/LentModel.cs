using Sluice.Inference;

namespace Sluice.Scheduling.Loading;

/// <summary>A model that somebody else disposes.</summary>
internal sealed class LentModel(IBackendModel inner) : IBackendModel
{
    public ModelDescription Description => inner.Description;

    public IModelInstance CreateInstance(ModelSettings settings, InstancePlacement placement) =>
        inner.CreateInstance(settings, placement);

    public void Dispose()
    {
    }
}
