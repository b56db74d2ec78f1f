using Sluice.Tensors.SharedMemory;

namespace Sluice.Inference;

/// <summary>Gives failures of shared memory their status (spec §1.8).</summary>
public static class SharedMemoryErrors
{
    /// <summary>Returns the same failure with its status.</summary>
    public static InferenceException ToInferenceException(this SharedMemoryException error) => new(
        error.Error switch
        {
            SharedMemoryError.NotFound => InferenceCode.NotFound,
            SharedMemoryError.AlreadyExists => InferenceCode.AlreadyExists,
            SharedMemoryError.CannotOpen => InferenceCode.Internal,
            SharedMemoryError.Exhausted => InferenceCode.ResourceExhausted,
            _ => InferenceCode.InvalidArgument,
        },
        error.Message,
        error);
}
