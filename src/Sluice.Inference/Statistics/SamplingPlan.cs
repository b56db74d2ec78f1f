using System.Collections.Immutable;
using System.Text;

namespace Sluice.Inference;

/// <summary>What a variable of an endpoint becomes (spec clearml §4.2).</summary>
public enum VariableKind
{
    /// <summary>Counted by upper bounds.</summary>
    Scalar,

    /// <summary>Counted by value.</summary>
    Enum,

    /// <summary>The last value counts.</summary>
    Value,

    /// <summary>Values are added up.</summary>
    Counter,
}

/// <summary>One variable that is taken from requests, answers or the code's own statistics, by its name.</summary>
/// <param name="Name">Key of the JSON object, name of the tensor.</param>
/// <param name="Kind">What becomes of its values.</param>
public sealed record SampledVariable(string Name, VariableKind Kind)
{
    /// <summary>Upper bounds of a scalar, ascending, without the infinite one.</summary>
    public ImmutableArray<double> Bounds { get; init; } = [];

    /// <summary>Values of an enum.</summary>
    public ImmutableArray<string> Values { get; init; } = [];

    /// <summary><see cref="Name"/> as it is on the wire.</summary>
    public byte[] NameUtf8 { get; } = Encoding.UTF8.GetBytes(Name);
}

/// <summary>What is sampled of one endpoint's calls; immutable, replaced when the configuration changes.</summary>
public sealed class SamplingPlan
{
    /// <summary>Key of the endpoint: <c>name</c> or <c>name/version</c>.</summary>
    public required string Endpoint { get; init; }

    /// <summary>Share of calls, above 0, at most 1.</summary>
    public double Frequency { get; init; } = 1;

    /// <summary>Calls that one sampled call stands for, so that counts are right on average.</summary>
    public double Weight => 1 / Frequency;

    /// <summary>Variables by name.</summary>
    public ImmutableArray<SampledVariable> Variables { get; init; } = [];

    /// <summary>Kafka's address that records go to; empty = none.</summary>
    public string KafkaServer { get; init; } = "";
}
