using Sluice.Inference;
using Sluice.Server.Services;
using Sluice.Tensors;
using Sluice.Tensors.SharedMemory;

namespace Sluice.Server.Composition;

/// <summary>Builds what tensors in shared memory and classes need.</summary>
internal sealed class SharedMemoryParts : IDisposable
{
    public SharedMemoryParts(ServerOptions options, TensorBufferPool pool)
    {
        Regions = options.AllowClientShm ? new SharedMemoryRegistry() : null;
        Placement = new TensorPlacement(Regions, pool);
        Service = new SharedMemoryService(Regions, new NoDeviceRegions());
    }

    /// <summary>Regions of clients; null when they may not have any.</summary>
    public SharedMemoryRegistry? Regions { get; }

    public TensorPlacement Placement { get; }

    public SharedMemoryService Service { get; }

    public void Dispose() => Regions?.Dispose();
}
