using System.Globalization;

namespace Sluice.Models;

/// <summary>One version of a model on disk.</summary>
/// <param name="ModelName">The model's name, which is its folder's.</param>
/// <param name="ModelFolder">Full path of the model's folder.</param>
/// <param name="Number">The version, 1 or more.</param>
public sealed record ModelVersionFolder(string ModelName, string ModelFolder, long Number)
{
    /// <summary>The version as clients write it.</summary>
    public string Text { get; } = Number.ToString(CultureInfo.InvariantCulture);

    /// <summary>Full path of the version's folder.</summary>
    public string Path => System.IO.Path.Combine(ModelFolder, Text);
}
