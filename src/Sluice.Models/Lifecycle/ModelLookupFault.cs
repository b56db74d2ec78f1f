using Sluice.Inference;

namespace Sluice.Models;

/// <summary>Says why a model was not found, in the words of spec §1.3.</summary>
/// <param name="Code">Status for the caller.</param>
/// <param name="Message">Text for the caller.</param>
public readonly record struct ModelLookupFault(InferenceCode Code, string Message)
{
    /// <summary>The models of the start are not all loaded yet.</summary>
    public static ModelLookupFault NotReady => new(InferenceCode.Unavailable, "Server not ready");

    /// <summary>Makes an exception of it.</summary>
    public InferenceException ToException() => new(Code, Message);
}
