namespace Sluice.Tensors;

/// <summary>Thrown when a buffer would take the pool past <see cref="TensorBufferPoolOptions.MaxBytes"/>.</summary>
public sealed class TensorPoolExhaustedException : Exception
{
    /// <summary>Makes the exception for one refused buffer.</summary>
    /// <param name="requestedBytes">What was asked for.</param>
    /// <param name="capacityBytes">What that takes, rounded up to its size class.</param>
    /// <param name="rentedBytes">What is out.</param>
    /// <param name="maxBytes">The limit.</param>
    public TensorPoolExhaustedException(long requestedBytes, long capacityBytes, long rentedBytes, long maxBytes)
        : base($"A tensor buffer of {requestedBytes} bytes (takes {capacityBytes}) does not fit: {rentedBytes} bytes are "
            + $"rented and {nameof(TensorBufferPoolOptions.MaxBytes)} is {maxBytes}.")
    {
        RequestedBytes = requestedBytes;
        RentedBytes = rentedBytes;
        MaxBytes = maxBytes;
    }

    /// <summary>Gets what was asked for.</summary>
    public long RequestedBytes { get; }

    /// <summary>Gets what was out.</summary>
    public long RentedBytes { get; }

    /// <summary>Gets the limit.</summary>
    public long MaxBytes { get; }
}
