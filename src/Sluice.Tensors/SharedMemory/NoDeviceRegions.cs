namespace Sluice.Tensors.SharedMemory;

/// <summary>Stands for the GPUs of a server that has none.</summary>
public sealed class NoDeviceRegions : IDeviceRegions
{
    /// <inheritdoc/>
    public void Register(string name, ReadOnlySpan<byte> handle, long deviceId, ulong byteSize) =>
        throw new SharedMemoryException(
            SharedMemoryError.Unsupported, $"failed to register CUDA shared memory region: '{name}', GPUs not supported");

    /// <inheritdoc/>
    public void Unregister(string name)
    {
    }

    /// <inheritdoc/>
    public IReadOnlyList<DeviceRegion> List(string name) => name.Length == 0
        ? []
        : throw new SharedMemoryException(
            SharedMemoryError.NotFound, $"Unable to find cuda shared memory region: '{name}'");
}
