using Sluice.Inference;

namespace Sluice.Backends.Samples;

/// <summary>An engine whose models are code.</summary>
/// <param name="name">Its name in configurations.</param>
/// <param name="create">Makes a model from what is configured.</param>
internal sealed class SampleBackend(string name, Func<ModelSettings, IBackendModel> create) : IBackend
{
    public string Name => name;

    public IBackendModel Load(ModelSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return create(settings);
    }

    public void Dispose()
    {
    }
}
