using System.Diagnostics;
using Sluice.Testing;

namespace Sluice.Backends.Forest.Tests;

/// <summary>Scripts of <c>tests/clients/python</c> that make models with Debian's libraries.</summary>
internal static class DebianPython
{
    /// <summary>Runs a script.</summary>
    /// <returns>False when a library is not installed and the environment does not demand it.</returns>
    public static async Task<bool> TryRunAsync(string script, params string[] arguments)
    {
        var path = Path.Combine(GoldenSet.FolderOf("onnx"), "../../../clients/python", script);
        var start = new ProcessStartInfo("/usr/bin/python3", ["-B", "-W", "ignore", path, .. arguments]) { RedirectStandardError = true };
        string?[] others = [Environment.GetEnvironmentVariable("SLUICE_LIGHTGBM_PATH"), Environment.GetEnvironmentVariable("SLUICE_XGBOOST_PATH")];
        if (Array.Exists(others, path => path is not null))
            start.Environment["PYTHONPATH"] = string.Join(':', others.Where(path => path is not null));
        using var python = Process.Start(start)!;
        var errors = await python.StandardError.ReadToEndAsync();
        await python.WaitForExitAsync();
        if (python.ExitCode == 0)
            return true;
        Assert.True(
            errors.Contains("No module named", StringComparison.Ordinal) && Environment.GetEnvironmentVariable("SLUICE_REQUIRE_CLIENTS") is null, errors);
        return false;
    }
}
