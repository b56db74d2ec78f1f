namespace Sluice.Functional.Tests.Infrastructure;

/// <summary>Runs a case of <c>tests/clients/python/operations.py</c>.</summary>
internal static class PythonOperations
{
    private const string Python = "/usr/bin/python3";
    private const string Plugin = "/usr/bin/grpc_python_plugin";

    /// <summary>Runs it where grpcio is installed; elsewhere only SLUICE_REQUIRE_CLIENTS makes that a failure.</summary>
    public static async Task RunAsync(string name, Uri address, params string[] files)
    {
        if (!File.Exists(Plugin) || !File.Exists(Python))
        {
            Assert.True(string.IsNullOrEmpty(Environment.GetEnvironmentVariable("SLUICE_REQUIRE_CLIENTS")), "grpcio is not installed");
            return;
        }

        var script = Path.GetFullPath(Path.Combine(
            Sluice.Testing.GoldenSet.FolderOf("onnx"), "..", "..", "..", "clients", "python", "operations.py"));
        var stubs = Directory.CreateTempSubdirectory("sluice-stubs-");
        try
        {
            var output = await ForeignProgram.RunAsync(Python, [script, name, $"localhost:{address.Port}", stubs.FullName, .. files]);
            Assert.Contains("ok " + name, output, StringComparison.Ordinal);
        }
        finally
        {
            stubs.Delete(recursive: true);
        }
    }
}
