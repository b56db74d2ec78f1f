using Sluice.Control.Records;

namespace Sluice.Control.Registry;

/// <summary>Selects models.</summary>
public sealed record ModelQuery
{
    /// <summary>Exact project; null = any.</summary>
    public string? Project { get; init; }

    /// <summary>Exact name, or a regular expression between ^ and $; null = any.</summary>
    public string? Name { get; init; }

    /// <summary>Any of the tags; <c>-tag</c> excludes; <c>__$and</c>, <c>__$or</c>, <c>__$not</c> change what follows them.</summary>
    public ValueList<string> Tags { get; init; } = [];

    /// <summary>Published ones only.</summary>
    public bool OnlyPublished { get; init; }

    /// <summary>Also archived ones.</summary>
    public bool IncludesArchived { get; init; }

    /// <summary>Most models.</summary>
    public int Limit { get; init; } = 500;

    /// <summary>Only models entered before this <see cref="ModelRecord.CreatedOrder"/>; 0 = from the newest.</summary>
    public long BeforeOrder { get; init; }
}
