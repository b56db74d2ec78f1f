using System.Diagnostics;
using Sluice.Functional.Tests.Infrastructure;

namespace Sluice.Functional.Tests;

/// <summary>Real clients of other languages (<c>tests/clients</c>) against the real server.</summary>
/// <remarks>
/// Where a client's library is not installed its test passes without a word, unless SLUICE_REQUIRE_CLIENTS is set, as
/// test.sh does after installing them all.
/// </remarks>
[Collection(ServerGroup.Name)]
public sealed class ForeignClientTests(ServerFixture server)
{
    private const string Python = "/usr/bin/python3";

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    private static string Root => Path.GetFullPath(
        Path.Combine(Sluice.Testing.GoldenSet.FolderOf("onnx"), "..", "..", "..", ".."));

    private string Address => $"{server.GrpcAddress.Host}:{server.GrpcAddress.Port}";

    [Fact]
    public async Task PythonGrpcio_AllCases_Pass()
    {
        if (!IsThere("/usr/bin/grpc_python_plugin") || !IsThere(Python))
            return;
        var stubs = Directory.CreateTempSubdirectory("sluice-stubs-");
        try
        {
            await RunAsync(Python, [Path.Combine(Root, "tests/clients/python/client.py"), Address, stubs.FullName]);
        }
        finally
        {
            stubs.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task NodeGrpcJs_AllCases_Pass()
    {
        var packages = Path.Combine(Root, "artifacts/npm/node_modules");
        if (IsThere(Path.Combine(packages, "@grpc/grpc-js/package.json")))
            await RunAsync("node", [Path.Combine(Root, "tests/clients/node/client.js"), Address], ("NODE_PATH", packages));
    }

    [Fact]
    public async Task CppGrpc_AllCases_Pass()
    {
        var program = Path.Combine(Root, "build/tests/clients/cpp/grpc_client");
        if (IsThere(program))
            await RunAsync(program, [Address]);
    }

    /// <summary>Tells whether a client can run here; fails when it must and cannot.</summary>
    private static bool IsThere(string file)
    {
        if (File.Exists(file))
            return true;
        Assert.True(
            string.IsNullOrEmpty(Environment.GetEnvironmentVariable("SLUICE_REQUIRE_CLIENTS")),
            $"{file} is missing; scripts/install-test.sh and cmake --build build bring it");
        return false;
    }

    private async Task RunAsync(string program, string[] arguments, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var errors = process.StandardError.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            Assert.True(process.ExitCode == 0, $"exit code {process.ExitCode}\n{await output}\n{await errors}");
            Assert.Contains("ok streams", await output, StringComparison.Ordinal);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }

        server.ExpectNoErrors();
    }
}
