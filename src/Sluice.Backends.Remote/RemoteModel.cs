using Sluice.Client;
using Sluice.Inference;

namespace Sluice.Backends.Remote;

/// <summary>A model of another server; its instances share one connection.</summary>
internal sealed class RemoteModel(SluiceClient client, Uri address, string name, string version, ModelDescription description) : IBackendModel
{
    public ModelDescription Description => description;

    public IModelInstance CreateInstance(ModelSettings settings, InstancePlacement placement) =>
        new RemoteModelInstance(client, address, name, version, settings);

    public void Dispose() => client.Dispose();
}
