using System.Globalization;
using System.Runtime.InteropServices;
using Sluice.Backends.Forest.Formats;
using Sluice.Backends.OnnxRuntime;
using Sluice.Backends.TestKit;
using Sluice.Inference;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Backends.Forest.Tests;

/// <summary>Random tree operators give, bit for bit, what ONNX Runtime gives, by each layout.</summary>
/// <remarks>Needs Debian's python3-onnx.</remarks>
public sealed class OnnxDifferentialTests : IDisposable
{
    private readonly RandomModels _models = new(60);

    public void Dispose() => _models.Dispose();

    [Fact]
    public async Task Run_OfRandomOperators_IsBitForBitOnnxRuntime()
    {
        if (!await _models.TryMakeAsync("onnx_forests.py"))
            return;
        using var onnx = new OnnxRuntimeBackend();
        var compared = 0;
        var differences = new List<string>();
        foreach (var folder in _models.Folders.OrderBy(folder => int.Parse(Path.GetFileName(folder), CultureInfo.InvariantCulture)))
        {
            try
            {
                await CompareAsync(onnx, folder);
                CompareLayouts(folder);
            }
            catch (Exception error) when (error is InferenceException or ForestFormatException or Xunit.Sdk.XunitException)
            {
                differences.Add($"{folder} of seed {_models.Seed}: {error.Message}");
            }

            compared++;
        }

        Assert.True(differences.Count == 0, $"{differences.Count} differ: {string.Join("; ", differences.Take(20))}");
        Assert.Equal(_models.Count, compared);
    }

    private static async Task CompareAsync(OnnxRuntimeBackend onnx, string folder)
    {
        var settings = new ModelSettings
        {
            Name = "trees",
            Version = "1",
            Backend = "forest",
            ModelFolder = folder,
            VersionFolder = folder,
            ModelFilename = "model.onnx",
        };
        var theirFile = File.Exists(Path.Combine(folder, "runtime.onnx")) ? "runtime.onnx" : settings.ModelFilename;
        using var theirs = new BackendRunner(onnx, settings with { Backend = "onnxruntime", ModelFilename = theirFile });
        using var ours = new BackendRunner(ForestBackend.Create()[0], settings);
        var input = theirs.Description.Inputs[0];
        var width = (int)input.Dims![1];
        var rows = Rows(folder);
        foreach (var count in (int[])[1, 3, rows.Length / width])
        {
            var tensor = new TestTensor(input.Name, input.DataType, Shape.Create([count, width]), Bytes(rows.AsSpan(0, count * width), input.DataType));
            var expected = await theirs.RunAsync([tensor]);
            var actual = await ours.RunAsync([tensor]);
            Assert.Equal(expected.Select(output => (output.Name, output.DataType, output.Shape)), actual.Select(output => (output.Name, output.DataType, output.Shape)));
            for (var i = 0; i < expected.Count; i++)
                Assert.True(expected[i].Data.AsSpan().SequenceEqual(actual[i].Data), $"{count} rows: {OnnxTests.Difference(expected[i], actual[i])}");
        }
    }

    private static void CompareLayouts(string folder)
    {
        var forest = ForestFile.Read(Path.Combine(folder, "model.onnx"));
        var rows = Rows(folder).Chunk(forest.FeatureCount).ToArray();
        foreach (var kernel in (string[])["turns", "8-bit", "16-bit"])
        {
            if (forest.IsDouble)
                Layouts.Compare<double>(forest, kernel, rows);
            else
                Layouts.Compare<float>(forest, kernel, rows);
        }
    }

    private static double[] Rows(string folder) =>
        MemoryMarshal.Cast<byte, double>(NpyFile.Read(Path.Combine(folder, "rows.npy")).Data).ToArray();

    private static byte[] Bytes(ReadOnlySpan<double> rows, DataType type)
    {
        var values = rows.ToArray();
        return (type switch
        {
            DataType.Fp32 => MemoryMarshal.AsBytes<float>(Array.ConvertAll(values, value => (float)value)),
            DataType.Int32 => MemoryMarshal.AsBytes<int>(Array.ConvertAll(values, value => (int)value)),
            DataType.Int64 => MemoryMarshal.AsBytes<long>(Array.ConvertAll(values, value => (long)value)),
            _ => MemoryMarshal.AsBytes<double>(values),
        }).ToArray();
    }
}
