using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Models;
using Sluice.Protocol.Codec;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Functional.Tests;

/// <summary>Every golden XGBoost and LightGBM model in a repository, with the shortest configuration there is, over gRPC.</summary>
[Collection(ServerGroup.Name)]
public sealed partial class ForestTests
{
    [Fact]
    public async Task Infer_GoldenForests_GivesTheLibrarysPredictions()
    {
        await using var server = await OperatedServer.StartAsync((options, folder) =>
        {
            foreach (var (engine, golden) in Golden())
                Lay(Path.Combine(folder, "models"), engine, golden);
            return options;
        });
        using var client = server.CreateClient();
        foreach (var (_, golden) in Golden())
            await CompareAsync(client, golden);
    }

    [Fact]
    public async Task Infer_ForestsOfScikitLearn_GivesTheLibrarysPredictions_AndOtherPicklesAreRefused()
    {
        string[] forests =
        [
            "extra_trees_digits", "gb_binary", "gb_multiclass", "gb_regressor", "hgb_binary", "hgb_regressor", "isolation_forest", "rf_digits",
            "string_classes",
        ];
        await using var server = await OperatedServer.StartAsync((options, folder) =>
        {
            foreach (var name in forests.Append("ridge"))
            {
                var version = Directory.CreateDirectory(Path.Combine(folder, "models", name, "1")).FullName;
                File.Copy(Path.Combine(GoldenSet.FolderOf("sklearn"), name, "model.pkl"), Path.Combine(version, "model.pkl"));
                var outputs = name is "gb_regressor" or "hgb_regressor" ? "prediction"
                    : name == "isolation_forest" ? "prediction,margin,score_samples"
                    : name.StartsWith("gb", StringComparison.Ordinal) || name.StartsWith("hgb", StringComparison.Ordinal) ? "prediction,probability,margin"
                    : "prediction,probability";
                File.WriteAllText(
                    Path.Combine(version, "../config.pbtxt"),
                    $"backend: \"forest\" parameters {{ key: \"outputs\" value {{ string_value: \"{outputs}\" }} }}");
            }

            return options;
        });
        using var client = server.CreateClient();
        foreach (var name in forests)
            await CompareSklearnAsync(client, name);
        Assert.Contains("the file holds a Ridge, which is no forest; use the sklearn backend", server.Log, StringComparison.Ordinal);
    }

    /// <summary>A pickle runs code when it is opened, and that code may never end: the server's stop ends it.</summary>
    [Fact]
    public async Task Export_ThatNeverEnds_EndsWhenTheServerStops()
    {
        await using var server = await OperatedServer.StartAsync((options, folder) =>
        {
            var version = Directory.CreateDirectory(Path.Combine(folder, "models", "endless", "1")).FullName;
            File.WriteAllText(
                Path.Combine(version, "model.pkl"),
                "\u0080\u0002c__builtin__\nexec\n(S'import os, time; print(\"opened by\", os.getpid(), flush=True); time.sleep(3600)'\ntR.",
                Encoding.Latin1);
            File.WriteAllText(Path.Combine(version, "../config.pbtxt"), "backend: \"forest\"");
            return options with { ModelControlMode = ModelControlMode.Explicit };
        });
        using var client = server.CreateClient();
        var loading = client.LoadModelAsync("endless");
        var opened = Match.Empty;
        await Eventually.TrueAsync(() => (opened = OpenedText().Match(server.Log)).Success, () => server.Log);
        var process = $"/proc/{opened.Groups[1].Value}";
        Assert.True(Directory.Exists(process));

        Assert.True(await server.Host.StopAsync(), server.Log);
        await Assert.ThrowsAsync<SluiceException>(() => loading);
        await Eventually.TrueAsync(() => !Directory.Exists(process), () => "the process that opens the file is still there");
    }

    [GeneratedRegex("opened by ([0-9]+)")]
    private static partial Regex OpenedText();

    private static async Task CompareSklearnAsync(SluiceClient client, string name)
    {
        var golden = Path.Combine(GoldenSet.FolderOf("sklearn"), name);
        var about = About(golden);
        var inputs = NpyFile.Read(Path.Combine(golden, "inputs.npy"));
        using var result = await client.InferAsync(new InferRequestMessage
        {
            ModelName = name,
            Inputs = [InferInput.WrapRaw("input__0", DataType.Fp64, inputs.Data, inputs.Shape)],
        });
        Assert.Equal(about.GetProperty("outputs").GetArrayLength(), result.OutputCount);
        for (var i = 0; i < result.OutputCount; i++)
        {
            var (file, output) = (Path.Combine(golden, about.GetProperty("outputs")[i].GetProperty("file").GetString()!), $"output__{i}");
            if (name == "string_classes" && i == 0)
            {
                var texts = JsonElement.Parse(File.ReadAllBytes(Path.ChangeExtension(file, ".json")));
                Assert.Equal(texts.EnumerateArray().Select(text => text.GetString()), result.GetStrings(output));
                continue;
            }

            var expected = NpyFile.Read(file);
            if (expected.DataType == DataType.Int64)
            {
                Assert.Equal(MemoryMarshal.Cast<byte, long>(expected.Data), result.GetSpan<long>(output));
                continue;
            }

            var (wanted, actual) = (MemoryMarshal.Cast<byte, double>(expected.Data).ToArray(), result.GetSpan<double>(output).ToArray());
            Assert.Equal(wanted.Length, actual.Length);
            for (var j = 0; j < wanted.Length; j++)
                Assert.True(Math.Abs(wanted[j] - actual[j]) <= 1e-12 + (1e-12 * Math.Abs(wanted[j])), $"{name}/{output}[{j}]: {actual[j]}, expected {wanted[j]}");
        }
    }

    [Fact]
    public async Task Infer_Contributions_AddUpToTheMargin()
    {
        var golden = Path.Combine(GoldenSet.FolderOf("xgboost"), "multi_softprob_iris_bin");
        await using var server = await OperatedServer.StartAsync((options, folder) =>
        {
            Lay(Path.Combine(folder, "models"), "xgboost", golden);
            File.WriteAllText(
                Path.Combine(folder, "models", Path.GetFileName(golden), "config.pbtxt"),
                "backend: \"xgboost\" parameters { key: \"outputs\" value { string_value: \"margin,contributions\" } } parameters { key: \"threads\" value { string_value: \"2\" } }");
            return options;
        });
        using var client = server.CreateClient();
        var inputs = NpyFile.Read(Path.Combine(golden, "inputs.npy"));
        using var result = await client.InferAsync(new InferRequestMessage
        {
            ModelName = Path.GetFileName(golden),
            Inputs = [InferInput.WrapRaw("input__0", inputs.DataType, inputs.Data, inputs.Shape)],
        });
        Assert.Equal(Shape.Create([inputs.Shape[0], 3, inputs.Shape[1] + 1]), result.GetShape("output__1"));
        var sums = result.GetSpan<float>("output__1").ToArray().Chunk((int)inputs.Shape[1] + 1).Select(values => values.Sum()).ToArray();
        Assert.All(sums.Zip(result.GetSpan<float>("output__0").ToArray()), pair => Assert.Equal(pair.Second, pair.First, 1e-5f));
    }

    [Fact]
    public async Task Infer_OnnxTreeOperators_GivesTheBitsOfOnnxRuntime()
    {
        string[] names = ["mode_mixed", "reg_max_3_some_base", "class_3_one_softmax", "class_2_first_mixed_logistic_0", "around_l1", "v5_0_double"];
        await using var server = await OperatedServer.StartAsync((options, folder) =>
        {
            foreach (var (name, backend) in from name in names from backend in (string[])["forest", "onnxruntime"] select (name, backend))
            {
                var version = Directory.CreateDirectory(Path.Combine(folder, "models", $"{name}_{backend}", "1")).FullName;
                File.Copy(Path.Combine(GoldenSet.FolderOf("onnx"), "../../forests/onnx", name + ".onnx"), Path.Combine(version, "model.onnx"));
                File.WriteAllText(Path.Combine(version, "../config.pbtxt"), $"backend: \"{backend}\" max_batch_size: 16");
            }

            return options;
        });
        using var client = server.CreateClient();
        var random = new Random(3);
        foreach (var name in names)
        {
            var metadata = await client.GetModelMetadataAsync(name + "_forest");
            var values = Enumerable.Range(0, 50).Select(_ => random.Next(9) == 0 ? double.NaN : random.Next(-2, 3) + (random.Next(2) * random.NextDouble())).ToArray();
            var isDouble = metadata.Inputs[0].Datatype == "FP64";
            var data = isDouble ? MemoryMarshal.AsBytes<double>(values).ToArray()
                : MemoryMarshal.AsBytes<float>(Array.ConvertAll(values, value => (float)value)).ToArray();
            InferRequestMessage Request(string backend) => new()
            {
                ModelName = $"{name}_{backend}",
                Inputs = [InferInput.WrapRaw("X", isDouble ? DataType.Fp64 : DataType.Fp32, data, [10, 5])],
            };
            using var ours = await client.InferAsync(Request("forest"));
            using var theirs = await client.InferAsync(Request("onnxruntime"));
            foreach (var output in metadata.Outputs)
                Assert.True(ours.GetBytes(output.Name).SequenceEqual(theirs.GetBytes(output.Name)), $"{name}: {output.Name}");
        }
    }

    [Fact]
    public async Task Inspect_OfAGoldenForest_PrintsWhatItCosts_AndOfABrokenOneWhere()
    {
        var golden = Path.Combine(GoldenSet.FolderOf("xgboost"), "multi_softprob_digits");
        var file = Path.Combine(golden, About(golden).GetProperty("model_file").GetString()!);
        var (code, output) = await RunAsync("--json", "forest", "inspect", file);
        Assert.Equal(0, code);
        var report = JsonElement.Parse(output);
        Assert.Equal("multi:softprob", report.GetProperty("objective").GetString());
        Assert.Equal(10, report.GetProperty("outputs").GetInt32());
        Assert.True(report.GetProperty("batch_row_us").GetDouble() > 0);

        var broken = Path.GetTempFileName();
        await File.WriteAllTextAsync(broken, "{\"learner\":");
        (code, output) = await RunAsync("forest", "inspect", broken);
        File.Delete(broken);
        Assert.Equal(1, code);
        Assert.Contains($"Error: '{broken}' cannot be read: the text ends at byte 11", output, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Output)> RunAsync(params string[] words)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "sluice.dll"), .. words]);
        start.RedirectStandardOutput = true;
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, output);
    }

    private static IEnumerable<(string Engine, string Folder)> Golden() =>
        from engine in (string[])["xgboost", "lightgbm"]
        from folder in Directory.EnumerateDirectories(GoldenSet.FolderOf(engine)).Order(StringComparer.Ordinal)
        select (engine, folder);

    private static JsonElement About(string golden) =>
        JsonElement.Parse(File.ReadAllBytes(Path.Combine(golden, "about.json")));

    private static void Lay(string repository, string engine, string golden)
    {
        var about = About(golden);
        var version = Directory.CreateDirectory(Path.Combine(repository, Path.GetFileName(golden), "1")).FullName;
        var file = about.GetProperty("model_file").GetString()!;
        File.Copy(Path.Combine(golden, file), Path.Combine(version, file));
        var missing = about.TryGetProperty("missing", out var value) && value.ValueKind == JsonValueKind.Number
            ? $"parameters {{ key: \"missing\" value {{ string_value: \"{value.GetRawText()}\" }} }}"
            : "";
        File.WriteAllText(Path.Combine(version, "../config.pbtxt"), $"backend: \"{engine}\" {missing}");
    }

    private static async Task CompareAsync(SluiceClient client, string golden)
    {
        var name = Path.GetFileName(golden);
        var inputs = NpyFile.Read(Path.Combine(golden, "inputs.npy"));
        var expected = NpyFile.Read(Path.Combine(golden, "expected.npy"));
        var metadata = await client.GetModelMetadataAsync(name);
        var data = inputs.Data;
        var type = inputs.DataType;
        if (metadata.Inputs[0].Datatype == "FP64" && type == DataType.Fp32)
        {
            type = DataType.Fp64;
            var wide = Array.ConvertAll(MemoryMarshal.Cast<byte, float>(data).ToArray(), value => (double)value);
            data = MemoryMarshal.AsBytes<double>(wide).ToArray();
        }

        using var result = await client.InferAsync(new InferRequestMessage
        {
            ModelName = name,
            Inputs = [InferInput.WrapRaw("input__0", type, data, inputs.Shape)],
        });
        var actual = expected.DataType == DataType.Fp64
            ? result.GetSpan<double>("output__0").ToArray()
            : Array.ConvertAll(result.GetSpan<float>("output__0").ToArray(), value => (double)value);
        var wanted = expected.DataType == DataType.Fp64
            ? MemoryMarshal.Cast<byte, double>(expected.Data).ToArray()
            : Array.ConvertAll(MemoryMarshal.Cast<byte, float>(expected.Data).ToArray(), value => (double)value);
        Assert.Equal(wanted.Length, actual.Length);

        // Bits are compared where no call of the C library's exp lies in between, by the engine's own tests.
        for (var i = 0; i < wanted.Length; i++)
            Assert.True(Math.Abs(wanted[i] - actual[i]) <= 1e-6 + (1e-6 * Math.Abs(wanted[i])), $"{name}[{i}]: {actual[i]}, expected {wanted[i]}");
    }
}
