using Sluice.Inference;

namespace Sluice.Models;

/// <summary>Rules on model names (spec §1.8).</summary>
public static class ModelNames
{
    /// <summary>Refuses names that cannot be a folder of a repository.</summary>
    /// <exception cref="InferenceException">
    /// <see cref="InferenceCode.InvalidArgument"/> in the words that clients know.
    /// </exception>
    public static void Check(string name)
    {
        if (name.Length == 0)
            throw InferenceException.Invalid("Model name cannot be empty. Please enter a valid name to deploy.");

        if (name is "." or ".." || name.AsSpan().ContainsAny('/', '\\', '\0'))
            throw InferenceException.Invalid(
                $"invalid model name '{name}', model name must not contain path traversal characters");
    }
}
