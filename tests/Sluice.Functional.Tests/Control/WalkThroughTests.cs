using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Sluice.Testing;

namespace Sluice.Functional.Tests.Control;

/// <summary>Runs the commands of the top README, "From zero to canary", as they stand there, but on free ports.</summary>
public sealed class WalkThroughTests
{
    [Fact]
    public async Task Commands_OfTheReadme_DoWhatTheySay()
    {
        var root = Path.GetFullPath(Path.Combine(GoldenSet.FolderOf("onnx"), "..", "..", "..", ".."));
        var folder = Directory.CreateTempSubdirectory("sluice-walk-").FullName;
        try
        {
            int[] ports = [FreePort.Take(), FreePort.Take(), FreePort.Take(), FreePort.Take()];
            var section = Regex.Match(await File.ReadAllTextAsync(Path.Combine(root, "README.md")), @"## From zero to canary.*?```bash\n(.*?)```", RegexOptions.Singleline);
            Assert.True(section.Success, "the README has no walk-through");
            var commands = section.Groups[1].Value;
            foreach (var (usual, own) in new[] { 8000, 8001, 8002, 8080 }.Zip(ports))
                commands = commands.Replace($"localhost:{usual}", $"localhost:{own}", StringComparison.Ordinal);

            // The program as it was built for this test, in the place where the README has it.
            Directory.CreateSymbolicLink(Path.Combine(folder, "examples"), Path.Combine(root, "examples"));
            await File.WriteAllTextAsync(Path.Combine(folder, "sluice"), $"#!/bin/sh\nexec dotnet '{Path.Combine(AppContext.BaseDirectory, "sluice.dll")}' \"$@\"\n");
            await File.WriteAllTextAsync(
                Path.Combine(folder, "walk.sh"), $"set -eu\nchmod +x sluice\ntrap 'kill %1; wait' EXIT\n{commands}\necho the end is reached\n");
            var (code, output, error) = await RunAsync(folder, ports);
            Assert.True(code == 0 && output.Contains("the end is reached", StringComparison.Ordinal), $"{code}\n{output}\n{error}");
            Assert.Equal(3, Regex.Count(output, @"\{""probabilities"":\[\["));
            Assert.Contains("\"model_name\":\"digits_", output, StringComparison.Ordinal);
            Assert.Contains("\"digits_auto/2\": {", output, StringComparison.Ordinal);
            Assert.Contains("load_endpoint_prefix: digits_auto/", output, StringComparison.Ordinal);
            Assert.DoesNotContain("failed", output, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(string folder, int[] ports)
    {
        var start = new ProcessStartInfo("bash", ["walk.sh"]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, port) in new[] { "HTTP", "GRPC", "METRICS", "SERVE" }.Zip(ports))
            start.Environment[$"SLUICE_{name}_PORT"] = port.ToString(CultureInfo.InvariantCulture);
        start.Environment["SLUICE_DATA_FOLDER"] = Path.Combine(folder, "data");
        start.Environment["SLUICE_SERVER"] = $"localhost:{ports[1]}";
        using var process = Process.Start(start)!;
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(4));
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var error = process.StandardError.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            return (process.ExitCode, await output, await error);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }
}
