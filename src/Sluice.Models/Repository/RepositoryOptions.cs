using System.Collections.Immutable;

namespace Sluice.Models;

/// <summary>Where models are.</summary>
public sealed record RepositoryOptions
{
    /// <summary>Folders that hold one folder per model (<c>--model-repository</c>).</summary>
    public required ImmutableArray<string> Folders { get; init; }

    /// <summary>
    /// Reads <c>configs/&lt;name&gt;.pbtxt</c> where a model has it (<c>--model-config-name</c>). Default empty: always
    /// <c>config.pbtxt</c>.
    /// </summary>
    public string ConfigName { get; init; } = "";
}
