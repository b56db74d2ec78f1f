namespace Sluice.Models;

/// <summary>One line of the repository's index.</summary>
/// <param name="Name">The model.</param>
/// <param name="Version">The version; empty for a model none of whose versions was tried.</param>
/// <param name="State">Null for a model that was never tried.</param>
/// <param name="Reason">Why it is in that state.</param>
public sealed record ModelIndexEntry(string Name, string Version, ModelState? State, string Reason);

/// <summary>A model that did not load.</summary>
/// <param name="Name">The model.</param>
/// <param name="Reason">Why.</param>
public sealed record ModelLoadFailure(string Name, string Reason);
