namespace Sluice.Tensors.SharedMemory;

/// <summary>One registered piece of a GPU's memory.</summary>
/// <param name="Name">The name that clients use.</param>
/// <param name="DeviceId">The GPU.</param>
/// <param name="ByteSize">Its size, bytes.</param>
public readonly record struct DeviceRegion(string Name, ulong DeviceId, ulong ByteSize);

/// <summary>Regions of GPU memory that clients share with the server.</summary>
/// <remarks><b>Threads.</b> Any number.</remarks>
public interface IDeviceRegions
{
    /// <summary>Opens memory of another process under a name.</summary>
    /// <param name="name">The name for requests.</param>
    /// <param name="handle">The driver's handle for other processes.</param>
    /// <param name="deviceId">The GPU.</param>
    /// <param name="byteSize">The region's size, bytes.</param>
    /// <exception cref="SharedMemoryException">It cannot be registered.</exception>
    void Register(string name, ReadOnlySpan<byte> handle, long deviceId, ulong byteSize);

    /// <summary>Takes a region out of service; an unknown one is no error.</summary>
    /// <param name="name">The region; empty = all.</param>
    void Unregister(string name);

    /// <summary>Lists regions by name.</summary>
    /// <param name="name">Only this one; empty = all.</param>
    /// <exception cref="SharedMemoryException"><see cref="SharedMemoryError.NotFound"/>.</exception>
    IReadOnlyList<DeviceRegion> List(string name);
}
