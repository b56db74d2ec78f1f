using Sluice.Tensors.SharedMemory;

namespace Sluice.Inference;

/// <summary>Where in shared memory a tensor of a request lies or goes.</summary>
public struct SharedTensor
{
    /// <summary>The region's name, in the request's text store.</summary>
    public Utf8Slice Region;

    /// <summary>True when a region was named, be it by an empty name.</summary>
    public bool HasRegion;

    /// <summary>First byte in the region.</summary>
    public long Offset;

    /// <summary>True when <see cref="Offset"/> was given.</summary>
    public bool HasOffset;

    /// <summary>Bytes of the tensor, or for outputs the room for it.</summary>
    public long ByteSize;

    /// <summary>True when <see cref="ByteSize"/> was given.</summary>
    public bool HasByteSize;

    /// <summary>Outputs only: bytes that the last response has there.</summary>
    public int WrittenLength;

    /// <summary>The region while the request holds it.</summary>
    public SharedMemoryRegion? Held;
}
