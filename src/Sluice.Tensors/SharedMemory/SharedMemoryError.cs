namespace Sluice.Tensors.SharedMemory;

/// <summary>Why something with shared memory failed.</summary>
public enum SharedMemoryError
{
    /// <summary>It did not.</summary>
    None,

    /// <summary>No region has this name.</summary>
    NotFound,

    /// <summary>The name is taken.</summary>
    AlreadyExists,

    /// <summary>The object's name is not one that may be opened.</summary>
    BadKey,

    /// <summary>The object is not there, or this process may not read and write it.</summary>
    CannotOpen,

    /// <summary>Offset or size lie outside the object or the region.</summary>
    OutOfBounds,

    /// <summary>Too many regions are registered.</summary>
    Exhausted,

    /// <summary>The server has no such kind of memory.</summary>
    Unsupported,
}
