using Sluice.Tensors;

namespace Sluice.Backends.Forest.Trees;

/// <summary>Names and types of the tensors, for formats that have them.</summary>
/// <param name="Input">Name of the rows.</param>
/// <param name="InputType">Of the rows.</param>
/// <param name="Outputs">In the order of the file.</param>
internal sealed record ForestSignature(string Input, DataType InputType, ForestSignatureOutput[] Outputs);

/// <summary>One output.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind">What it holds.</param>
/// <param name="Type">Its type in the file.</param>
internal sealed record ForestSignatureOutput(string Name, ForestOutputKind Kind, DataType Type);

/// <summary>What the classes are called: numbers or texts.</summary>
internal sealed class ClassLabels
{
    /// <summary>Numbers; empty when they are texts.</summary>
    public long[] Numbers { get; init; } = [];

    /// <summary>Texts; empty when they are numbers.</summary>
    public string[] Texts { get; init; } = [];

    public int Count => Texts.Length + Numbers.Length;
}
