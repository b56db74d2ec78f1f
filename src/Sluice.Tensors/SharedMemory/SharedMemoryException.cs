namespace Sluice.Tensors.SharedMemory;

/// <summary>A failure with shared memory, in words for the client.</summary>
/// <param name="error">Its kind.</param>
/// <param name="message">One sentence that names the region.</param>
public sealed class SharedMemoryException(SharedMemoryError error, string message) : Exception(message)
{
    /// <summary>Its kind; never <see cref="SharedMemoryError.None"/>.</summary>
    public SharedMemoryError Error => error;
}
