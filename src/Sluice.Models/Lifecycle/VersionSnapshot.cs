using System.Globalization;
using Sluice.Inference;

namespace Sluice.Models;

/// <summary>State of one model version at one moment.</summary>
public sealed record VersionSnapshot
{
    /// <summary>The version's number.</summary>
    public required long Number { get; init; }

    /// <summary>The number as clients write it.</summary>
    public string Text => Number.ToString(CultureInfo.InvariantCulture);

    /// <summary>Where it is in its life.</summary>
    public required ModelState State { get; init; }

    /// <summary>Why it is there; empty when all is well. A ready version has one when its last reload failed.</summary>
    public string Reason { get; init; } = "";

    /// <summary>The servable, for its settings and statistics only: work needs a lease. Null unless ready.</summary>
    public IServable? Servable => Loaded?.Servable;

    /// <summary>Set exactly while ready.</summary>
    internal LoadedModel? Loaded { get; init; }
}
