using System.Runtime.InteropServices;
using Sluice.Backends.Forest.Formats;
using Sluice.Backends.Forest.Formats.Onnx;
using Sluice.Backends.OnnxRuntime;
using Sluice.Backends.TestKit;
using Sluice.Inference;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Backends.Forest.Tests;

/// <summary>ONNX files of one tree operator give, bit for bit, what ONNX Runtime gives; others are refused.</summary>
/// <remarks>The files are made by <c>tests/assets/make_forests.py</c>.</remarks>
public sealed class OnnxTests
{
    private static readonly double[] Special =
        [double.NaN, 0, -0.0, double.PositiveInfinity, double.NegativeInfinity, 1, -1, 2, 1e-45, float.MaxValue];

    public static TheoryData<string> Files => [.. Directory.EnumerateFiles(Folder, "*.onnx").Select(path => Path.GetFileNameWithoutExtension(path))
        .Where(name => name is not ("other_operator" or "around_zipmap")).Order(StringComparer.Ordinal)];

    public static TheoryData<string> Golden => ["tree_ensemble_classifier", "tree_ensemble_regressor"];

    internal static string Folder => Path.Combine(GoldenSet.FolderOf("onnx"), "../../forests/onnx");

    [Theory]
    [MemberData(nameof(Files))]
    public async Task Run_OfATreeOperator_IsBitForBitOnnxRuntime(string name)
    {
        using var onnx = new OnnxRuntimeBackend();
        var path = Path.Combine(Folder, name + ".onnx");
        using var theirs = new BackendRunner(onnx, Settings(path) with { Backend = "onnxruntime" });
        using var ours = new BackendRunner(ForestBackend.Create()[0], Settings(path));
        Assert.Equal(theirs.Description.Outputs.Select(output => (output.Name, output.DataType)), ours.Description.Outputs.Select(output => (output.Name, output.DataType)));
        foreach (var rows in (int[])[1, 7, 100])
        {
            var input = Rows(theirs.Description.Inputs[0], rows);
            var expected = await theirs.RunAsync([input]);
            var actual = await ours.RunAsync([input]);
            for (var i = 0; i < expected.Count; i++)
            {
                Assert.Equal(expected[i].Shape, actual[i].Shape);
                Assert.True(expected[i].Data.AsSpan().SequenceEqual(actual[i].Data), Difference(expected[i], actual[i]));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void EveryLayout_OfATreeOperator_IsBitForBitTheReference(string name)
    {
        var forest = ForestFile.Read(Path.Combine(Folder, name + ".onnx"));
        var random = new Random(5);
        var rows = Enumerable.Range(0, 40).Select(_ => Enumerable.Range(0, forest.FeatureCount).Select(_ => Value(random)).ToArray()).ToArray();
        foreach (var kernel in (string?[])[null, "turns", "8-bit", "16-bit"])
        {
            if (forest.IsDouble)
                Layouts.Compare<double>(forest, kernel, rows);
            else
                Layouts.Compare<float>(forest, kernel, rows);
        }
    }

    [Theory]
    [MemberData(nameof(Golden))]
    public async Task Run_OfAGoldenModel_GivesTheExpectedOutputs(string name)
    {
        var model = GoldenSet.Read("onnx", name);
        using var ours = new BackendRunner(ForestBackend.Create()[0], Settings(Path.Combine(model.Folder, "model.onnx")));
        foreach (var test in model.Cases)
        {
            var outputs = await ours.RunAsync(test.Inputs.Select(input => new TestTensor(input.Name, input.DataType, input.Shape, input.Data)));
            foreach (var expected in test.Outputs)
            {
                var actual = outputs.Single(output => output.Name == expected.Name);
                Assert.Null(model.ToleranceOf(expected).FindDifference(expected, actual.DataType, actual.Shape, actual.Data));
            }
        }
    }

    [Fact]
    public async Task ZipMap_GivesTheScoresThatItWouldPack()
    {
        using var zipped = new BackendRunner(ForestBackend.Create()[0], Settings(Path.Combine(Folder, "around_zipmap.onnx")));
        Assert.Equal([DataType.Int64, DataType.Fp32], zipped.Description.Outputs.Select(output => output.DataType));
        using var plain = new BackendRunner(ForestBackend.Create()[0], Settings(Path.Combine(Folder, "around_l1.onnx")));
        var input = Rows(plain.Description.Inputs[0], 5);
        var narrow = MemoryMarshal.Cast<byte, double>(input.Data).ToArray().Select(value => (float)value).ToArray();
        var scores = await zipped.RunAsync([input with { DataType = DataType.Fp32, Data = MemoryMarshal.AsBytes<float>(narrow).ToArray() }]);
        var shares = await plain.RunAsync([input]);
        var sums = MemoryMarshal.Cast<byte, float>(scores[1].Data).ToArray().Chunk(3)
            .SelectMany(row => row.Select(score => score / (row[0] + row[1] + row[2]))).ToArray();
        Assert.Equal(sums, MemoryMarshal.Cast<byte, float>(shares[1].Data).ToArray());
    }

    [Fact]
    public void Read_OfAnotherGraph_NamesTheBackendThatRunsIt()
    {
        foreach (var path in (string[])[Path.Combine(Folder, "other_operator.onnx"), Path.Combine(GoldenSet.FolderOf("onnx"), "mlp_digits/model.onnx")])
        {
            var error = Assert.Throws<ForestFormatException>(() => ForestFile.Read(path));
            Assert.Contains("the onnxruntime backend runs all graphs", error.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("both_scores", "gives scores both as they are and normalized")]
    [InlineData("normalized_twice", "the operator 'Normalizer' where it changes results")]
    [InlineData("whole_scores", "the operator 'Cast' where it changes results")]
    [InlineData("rounded_rows", "the operator 'Cast' where it changes results")]
    public void Read_OfAGraphThatChangesResults_IsRefused(string name, string message)
    {
        var error = Assert.Throws<ForestFormatException>(() => ForestFile.Read(Path.Combine(Folder, "refused", name + ".onnx")));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    /// <summary>A small file must not become a large forest: by naming a tree again and again, or by leaves of a great many outputs.</summary>
    [Fact]
    public void Build_OfMoreThanTheFileHolds_IsRefused()
    {
        var trees = Stump(outputs: 1);
        trees.Build(0);
        Assert.Contains("node 0 is in two trees", Assert.Throws<ForestFormatException>(() => trees.Build(0)).Message, StringComparison.Ordinal);
        var wide = Stump(outputs: 1 << 27);
        Assert.Contains("the leaves have more than", Assert.Throws<ForestFormatException>(() => wide.Build(0)).Message, StringComparison.Ordinal);
    }

    private static OnnxTrees Stump(int outputs) => new(outputs, isDouble: false)
    {
        Features = [0, -1, -1],
        Modes = new OnnxMode[3],
        Values = new double[3],
        True = [1, 0, 0],
        False = [2, 0, 0],
        MissingIsTrue = new bool[3],
    };

    private static ModelSettings Settings(string path) => new()
    {
        Name = "trees",
        Version = "1",
        Backend = "forest",
        ModelFolder = Path.GetDirectoryName(path)!,
        VersionFolder = Path.GetDirectoryName(path)!,
        ModelFilename = Path.GetFileName(path),
    };

    private static TestTensor Rows(TensorDescription input, int rows)
    {
        var width = (int)input.Dims![1];
        var random = new Random(rows);
        var values = Enumerable.Range(0, rows * width).Select(_ => Value(random)).ToArray();
        var data = input.DataType == DataType.Fp64
            ? MemoryMarshal.AsBytes<double>(values)
            : MemoryMarshal.AsBytes<float>(Array.ConvertAll(values, value => (float)value));
        return new TestTensor(input.Name, input.DataType, Shape.Create([rows, width]), data.ToArray());
    }

    private static double Value(Random random) => random.Next(5) switch
    {
        0 => Special[random.Next(Special.Length)],
        1 => random.Next(-3, 6),
        _ => (random.NextDouble() - 0.5) * 4,
    };

    internal static string Difference(TestTensor expected, TestTensor actual) => expected.DataType switch
    {
        DataType.Fp32 => Describe(MemoryMarshal.Cast<byte, float>(expected.Data), MemoryMarshal.Cast<byte, float>(actual.Data)),
        DataType.Fp64 => Describe(MemoryMarshal.Cast<byte, double>(expected.Data), MemoryMarshal.Cast<byte, double>(actual.Data)),
        DataType.Int64 => Describe(MemoryMarshal.Cast<byte, long>(expected.Data), MemoryMarshal.Cast<byte, long>(actual.Data)),
        _ => "texts differ",
    };

    private static string Describe<T>(ReadOnlySpan<T> expected, ReadOnlySpan<T> actual)
        where T : unmanaged
    {
        for (var i = 0; i < expected.Length; i++)
        {
            if (!MemoryMarshal.AsBytes(expected.Slice(i, 1)).SequenceEqual(MemoryMarshal.AsBytes(actual.Slice(i, 1))))
                return $"element {i}: {string.Join(" ", actual[i..Math.Min(i + 12, actual.Length)].ToArray())}, ONNX Runtime gives {string.Join(" ", expected[i..Math.Min(i + 12, expected.Length)].ToArray())}";
        }

        return "bits differ";
    }
}
