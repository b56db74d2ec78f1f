namespace Sluice.Models;

/// <summary>Says why an ensemble cannot be served, in the words of spec §3.5.</summary>
public static class EnsembleFaults
{
    /// <summary>A step's model is not ready.</summary>
    /// <param name="ensemble">The ensemble.</param>
    /// <param name="model">The step's model.</param>
    /// <param name="version">The version that the step names; below 1 = any.</param>
    public static string Missing(string ensemble, string model, long version) => version < 1
        ? $"ensemble '{ensemble}' depends on '{model}' which has no loaded version"
        : $"ensemble '{ensemble}' depends on '{model}' whose version {version} is not loaded";
}
