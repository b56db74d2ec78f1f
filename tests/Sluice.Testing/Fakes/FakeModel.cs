using Sluice.Inference;

namespace Sluice.Testing;

/// <summary>A model file that is none: hands out the instances that a test made.</summary>
public sealed class FakeModel(ModelDescription description, Func<ModelSettings, IModelInstance> createInstance) : IBackendModel
{
    public ModelDescription Description => description;

    public bool IsDisposed { get; private set; }

    public IModelInstance CreateInstance(ModelSettings settings, InstancePlacement placement) => createInstance(settings);

    public void Dispose() => IsDisposed = true;
}
