using System.Collections.Immutable;

namespace Sluice.Models;

/// <summary>State of one model at one moment.</summary>
/// <remarks><b>Threads.</b> Immutable.</remarks>
public sealed class ModelSnapshot
{
    internal ModelSnapshot(string name, ImmutableArray<VersionSnapshot> versions, string fault)
    {
        Name = name;
        Versions = versions;
        Fault = fault;
        Latest = versions.FirstOrDefault(v => v.State == ModelState.Ready);
    }

    /// <summary>The model's name.</summary>
    public string Name { get; }

    /// <summary>Known versions, the highest first.</summary>
    public ImmutableArray<VersionSnapshot> Versions { get; }

    /// <summary>Why the last load failed before any version was tried; empty when it did not.</summary>
    public string Fault { get; }

    /// <summary>The highest ready version; null when none is.</summary>
    public VersionSnapshot? Latest { get; }

    /// <summary>Finds a version by number.</summary>
    public VersionSnapshot? Find(long number)
    {
        foreach (var version in Versions)
        {
            if (version.Number == number)
                return version;
        }

        return null;
    }

    internal ModelSnapshot With(VersionSnapshot version) => new(
        Name,
        [.. Versions.Where(v => v.Number != version.Number).Append(version).OrderByDescending(v => v.Number)],
        Fault);

    internal ModelSnapshot WithFault(string fault) => new(Name, Versions, fault);
}
