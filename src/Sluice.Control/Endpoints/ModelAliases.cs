namespace Sluice.Control.Endpoints;

/// <summary>Finds the model behind a name of the control plane, so that endpoints and canaries can be called as models.</summary>
public sealed class ModelAliases(EndpointTable table)
{
    /// <summary>Finds a model for a name that is no model's own.</summary>
    /// <param name="name">An endpoint with or without its version, or a canary.</param>
    /// <param name="version">As a client wrote it; may be empty.</param>
    /// <returns>Name in the model table; null when there is none.</returns>
    public string? Find(string name, string version)
    {
        var snapshot = table.Snapshot;
        if (snapshot.Endpoints.Count == 0)
            return null;
        if (version.Length > 0 && Model(snapshot, $"{name}/{version}") is { } versioned)
            return versioned;
        if (version.Length > 0 && version != "1")
            return null;
        if (snapshot.Canaries.TryGetValue(name, out var canary))
            return canary.Resolution.Arms is [var first, ..] ? Model(snapshot, first.Key) : null;
        return Model(snapshot, name) ?? (version.Length == 0 ? snapshot.NewestByName.GetValueOrDefault(name)?.Loaded?.ModelName : null);
    }

    private static string? Model(EndpointSnapshot snapshot, string key) => snapshot.Endpoints.GetValueOrDefault(key)?.Loaded?.ModelName;
}
