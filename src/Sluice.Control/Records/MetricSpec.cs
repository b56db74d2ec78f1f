namespace Sluice.Control.Records;

/// <summary>What is measured at an endpoint, or at all endpoints of a prefix.</summary>
public sealed record MetricSpec
{
    /// <summary>Key of the endpoint, or a prefix that ends with <c>*</c>.</summary>
    public required string Endpoint { get; init; }

    /// <summary>Share of requests, 0 to 1; null = the service's.</summary>
    public double? LogFrequency { get; init; }

    /// <summary>Variables by name.</summary>
    public ValueMap<string, MetricVariable> Metrics { get; init; } = ValueMap<string, MetricVariable>.Empty;
}

/// <summary>One variable.</summary>
public sealed record MetricVariable
{
    /// <summary><c>scalar</c>, <c>enum</c>, <c>value</c> or <c>counter</c>.</summary>
    public required string Type { get; init; }

    /// <summary>Upper bounds of a scalar; empty for other types.</summary>
    public ValueList<double> Bounds { get; init; } = [];

    /// <summary>Values of an enum; empty for other types.</summary>
    public ValueList<string> Values { get; init; } = [];
}
