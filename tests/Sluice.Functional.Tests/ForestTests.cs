using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Protocol.Codec;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Functional.Tests;

/// <summary>Every golden XGBoost and LightGBM model in a repository, with the shortest configuration there is, over gRPC.</summary>
[Collection(ServerGroup.Name)]
public sealed class ForestTests
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
