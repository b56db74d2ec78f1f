using System.Collections.Concurrent;
using System.ComponentModel;
using System.Diagnostics;
using Sluice.Inference;

namespace Sluice.Backends.Python.Endpoints;

/// <summary>Installs what <c>CLEARML_EXTRA_PYTHON_PACKAGES</c> names, once per interpreter, into a folder of its own.</summary>
internal sealed class ExtraPackages(PythonRuntime runtime) : IDisposable
{
    private const string Variable = "CLEARML_EXTRA_PYTHON_PACKAGES";
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(20);

    private readonly ConcurrentDictionary<string, Lazy<Task<string>>> _installed = new(StringComparer.Ordinal);

    /// <summary>Installs them, or waits until they are.</summary>
    /// <returns>The folder to import from; null when nothing is asked for.</returns>
    /// <exception cref="InferenceException">They cannot be installed; the message has pip's last words.</exception>
    public async Task<string?> InstallAsync(string interpreter, CancellationToken cancellationToken)
    {
        var packages = (Environment.GetEnvironmentVariable(Variable) ?? "")
            .Split((char[])[' ', ',', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (packages.Length == 0)
            return null;
        var key = $"{interpreter} {string.Join(' ', packages)}";
        var installing = _installed.GetOrAdd(key, _ => new Lazy<Task<string>>(() => RunAsync(interpreter, packages)));
        try
        {
            return await installing.Value.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (InferenceException)
        {
            // The next load tries again: the index may be reachable then.
            _installed.TryRemove(key, out _);
            throw;
        }
    }

    public void Dispose()
    {
        foreach (var folder in _installed.Values.Where(one => one is { IsValueCreated: true, Value.IsCompletedSuccessfully: true }))
            Directory.Delete(folder.Value.Result, recursive: true);
        _installed.Clear();
    }

    private async Task<string> RunAsync(string interpreter, string[] packages)
    {
        var folder = Directory.CreateTempSubdirectory("sluice-packages-").FullName;
        var start = new ProcessStartInfo(interpreter, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", folder, .. packages])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            using var process = Process.Start(start)!;
            using var limit = new CancellationTokenSource(Limit, runtime.Time);
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var errors = process.StandardError.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
            await output.ConfigureAwait(false);
            if (process.ExitCode == 0)
                return folder;
            throw Failed(interpreter, packages, (await errors.ConfigureAwait(false)).Trim());
        }
        catch (Exception error) when (error is OperationCanceledException or Win32Exception)
        {
            throw Failed(interpreter, packages, error.Message);
        }
    }

    private static InferenceException Failed(string interpreter, string[] packages, string reason) => new(
        InferenceCode.FailedPrecondition,
        $"{Variable} asks for {string.Join(", ", packages)}, which '{interpreter} -m pip' could not install: {reason}");
}
