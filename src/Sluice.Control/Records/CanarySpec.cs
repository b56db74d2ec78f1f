namespace Sluice.Control.Records;

/// <summary>A name whose calls are spread over endpoints by weight.</summary>
/// <remarks>Fields stand in the order in which they are printed and stored.</remarks>
public sealed record CanarySpec
{
    /// <summary>The name, a key.</summary>
    public required string Endpoint { get; init; }

    /// <summary>Not negative, with a sum above 0.</summary>
    public ValueList<double> Weights { get; init; } = [];

    /// <summary>Keys of the endpoints, one per weight; empty with a prefix.</summary>
    public ValueList<string> LoadEndpoints { get; init; } = [];

    /// <summary>All endpoints whose key starts so, newest first; null = <see cref="LoadEndpoints"/> counts.</summary>
    public string? LoadEndpointPrefix { get; init; }

    /// <summary>Header whose value binds a caller to one endpoint; null = each call is drawn.</summary>
    public string? StickyHeader { get; init; }

    /// <summary>Key of the request's JSON object with the same use; null = none.</summary>
    public string? StickyKey { get; init; }
}
