using Sluice.Backends.Forest.Trees;
using Sluice.Tensors;

namespace Sluice.Backends.Forest.Formats.Onnx;

/// <summary>Makes a forest of an ONNX file that is one tree operator, with what converters usually put around it.</summary>
/// <remarks>Everything else is refused: the <c>onnxruntime</c> backend runs whole graphs.</remarks>
internal static class OnnxForest
{
    private const string Domain = "ai.onnx.ml";

    /// <summary>Tells whether a file begins as ONNX files do: with its version and another field of a model.</summary>
    public static bool IsOnnx(ReadOnlySpan<byte> file) =>
        file.Length > 2 && file[0] == 0x08 && file[1] is > 0 and < 0x40 && file[2] is 0x12 or 0x1a or 0x22 or 0x28 or 0x32 or 0x3a or 0x42;

    /// <exception cref="ForestFormatException">It is no such file, or its operator is wrong.</exception>
    public static TreeEnsemble Read(ReadOnlySpan<byte> file)
    {
        var graph = OnnxGraph.Read(file);
        var inputs = graph.Inputs.Where(value => !graph.Initializers.Contains(value.Name)).ToList();
        if (inputs is not [var input])
            throw Refused($"the graph has {inputs.Count} inputs");
        var meanings = new Dictionary<string, Meaning>(StringComparer.Ordinal) { [input.Name] = new Meaning(Role.Rows, input.Type) };
        TreeEnsemble? forest = null;
        foreach (var node in graph.Nodes)
        {
            var from = node.Inputs is [var first, ..] && meanings.TryGetValue(first, out var known) ? known : null;
            if (IsTree(node))
            {
                if (forest is not null)
                    throw Refused("the graph has two tree operators");
                if (from is not { Role: Role.Rows })
                    throw Refused($"{node.Operator} does not read the graph's input");
                forest = ReadTree(graph, node, input, from.Type);
                var isClassifier = node.Operator == "TreeEnsembleClassifier";
                for (var i = 0; i < node.Outputs.Count; i++)
                    meanings[node.Outputs[i]] = new Meaning(isClassifier && i == 0 ? Role.Label : Role.Scores, OnnxType.None);
                continue;
            }

            meanings[node.Outputs is [var output] ? output : ""] =
                Pass(node, from, input.Type) ?? throw Refused($"the graph has the operator '{node.Operator}' where it changes results");
            if (node.Operator == "Normalizer")
                forest = forest! with { Onnx = forest.Onnx! with { Norm = NormOf(node) } };
        }

        if (forest is null)
            throw Refused("the graph has no tree operator");
        return forest with { Signature = SignatureOf(graph, input, meanings, graph.Nodes.Any(node => node.Operator == "Normalizer")) };
    }

    private static bool IsTree(OnnxNode node) =>
        node.Domain == Domain && node.Operator is "TreeEnsembleRegressor" or "TreeEnsembleClassifier" or "TreeEnsemble";

    private static TreeEnsemble ReadTree(OnnxGraph graph, OnnxNode node, OnnxValue input, OnnxType type)
    {
        // Whole numbers are compared as numbers in single precision.
        var isDouble = type switch
        {
            OnnxType.Double => true,
            OnnxType.Single or OnnxType.Int32 or OnnxType.Int64 => false,
            _ => throw Refused($"the input has element type {(int)type}"),
        };
        var width = input.Dims is { Count: 2 } dims && dims[1] is > 0 and < int.MaxValue ? (int?)dims[1] : null;
        var source = $"ONNX {node.Domain} {graph.Versions.GetValueOrDefault(Domain)}{(graph.Producer.Length > 0 ? $" of {graph.Producer}" : "")}";
        return new OnnxTreeNode(node, isDouble).Read(source, width);
    }

    /// <summary>What an operator that changes no more than form or scale makes of a value; null = another operator.</summary>
    private static Meaning? Pass(OnnxNode node, Meaning? from, OnnxType input)
    {
        var to = (OnnxType)node.Integer("to", 0);
        return (node.Operator, from) switch
        {
            ("Identity", { } meaning) => meaning,

            // Rows that were rounded to single precision stay so.
            ("Cast", { Role: Role.Rows } meaning) when to is OnnxType.Single || (to is OnnxType.Double && (meaning.Type != OnnxType.Single || input == OnnxType.Single)) =>
                meaning with { Type = to },
            ("Cast", { Role: Role.Scores } meaning) when to is OnnxType.Single or OnnxType.Double => meaning,
            ("Cast", { Role: Role.Label } meaning) => meaning,
            ("ZipMap", { Role: Role.Scores } meaning) => meaning,
            ("Normalizer", { Role: Role.Scores, IsNormalized: false } meaning) => meaning with { IsNormalized = true },
            _ => null,
        };
    }

    private static OnnxNorm NormOf(OnnxNode node) => node.Text("norm", "MAX") switch
    {
        "MAX" => OnnxNorm.Max,
        "L1" => OnnxNorm.L1,
        "L2" => OnnxNorm.L2,
        var name => throw node.Wrong($"norm is '{name}'"),
    };

    private static ForestSignature SignatureOf(OnnxGraph graph, OnnxValue input, Dictionary<string, Meaning> meanings, bool isNormalized)
    {
        if (graph.Outputs.Count == 0)
            throw Refused("the graph has no outputs");
        var scores = graph.Outputs.Select(output => meanings.GetValueOrDefault(output.Name)).Where(meaning => meaning is { Role: Role.Scores }).ToList();
        if (scores.Exists(meaning => meaning!.IsNormalized != scores[0]!.IsNormalized) || (isNormalized && !scores.TrueForAll(meaning => meaning!.IsNormalized)))
            throw Refused("the graph gives scores both as they are and normalized");
        return new ForestSignature(input.Name, TypeOf(input.Type), [.. graph.Outputs.Select(output => meanings.GetValueOrDefault(output.Name)?.Role switch
        {
            Role.Label => new ForestSignatureOutput(output.Name, ForestOutputKind.Class, TypeOf(output.Type)),
            Role.Scores => new ForestSignatureOutput(output.Name, ForestOutputKind.Prediction, output.Type == OnnxType.Double ? DataType.Fp64 : DataType.Fp32),
            _ => throw Refused($"output '{output.Name}' is not of the tree operator"),
        })]);
    }

    private static DataType TypeOf(OnnxType type) => type switch
    {
        OnnxType.Single => DataType.Fp32,
        OnnxType.Double => DataType.Fp64,
        OnnxType.Int32 => DataType.Int32,
        OnnxType.Int64 => DataType.Int64,
        OnnxType.Text => DataType.Bytes,
        _ => throw Refused($"a tensor has element type {(int)type}"),
    };

    private static ForestFormatException Refused(string reason) =>
        new($"{reason}; this engine reads one tree operator with Cast, Identity, Normalizer and ZipMap around it, the onnxruntime backend runs all graphs");

    private enum Role
    {
        Rows,
        Label,
        Scores,
    }

    private sealed record Meaning(Role Role, OnnxType Type, bool IsNormalized = false);
}
