namespace Sluice.Models;

/// <summary>Where one model version is in its life.</summary>
public enum ModelState
{
    /// <summary>Nothing was ever tried.</summary>
    Unknown,

    /// <summary>It takes requests.</summary>
    Ready,

    /// <summary>It takes none: its load failed, or it was unloaded.</summary>
    Unavailable,

    /// <summary>It is being loaded for the first time.</summary>
    Loading,

    /// <summary>It finishes what it has accepted.</summary>
    Unloading,
}

/// <summary>Names of states on the wire.</summary>
public static class ModelStates
{
    /// <summary>The reason of a version that was unloaded on purpose.</summary>
    public const string Unloaded = "unloaded";

    private static readonly string[] Names = ["UNKNOWN", "READY", "UNAVAILABLE", "LOADING", "UNLOADING"];

    /// <summary>Returns the name that RepositoryIndex reports.</summary>
    public static string ToName(this ModelState state) => Names[(int)state];
}
