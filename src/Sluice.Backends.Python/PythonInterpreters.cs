using System.Collections.Concurrent;
using System.Diagnostics;
using System.Formats.Tar;
using System.IO.Compression;
using Microsoft.Extensions.Logging;
using Sluice.Inference;

namespace Sluice.Backends.Python;

/// <summary>Finds the Python interpreter of a model: its own environment, the operator's choice, or the first that has numpy.</summary>
/// <remarks><b>Threads.</b> Any. Looking for the first one starts processes, so it is done once.</remarks>
internal sealed class PythonInterpreters
{
    private static readonly TimeSpan LookLimit = TimeSpan.FromSeconds(20);

    private readonly string? _chosen;
    private readonly ILogger _logger;
    private readonly Lazy<string?> _default;
    private readonly ConcurrentDictionary<string, Lazy<string>> _unpacked = new(StringComparer.Ordinal);

    public PythonInterpreters(string? chosen, ILogger logger)
    {
        _chosen = chosen;
        _logger = logger;
        _default = new Lazy<string?>(FindDefault);
    }

    /// <summary>The interpreter of models that name none.</summary>
    /// <exception cref="InferenceException">There is none; the message says what to do.</exception>
    public string Default => _default.Value ?? throw new InferenceException(
        InferenceCode.FailedPrecondition,
        $"no Python interpreter with numpy was found ({string.Join(", ", Candidates())}); install one (Debian: apt-get install " +
        "python3-numpy) or name it by --python");

    /// <summary>Finds the interpreter of an environment that a model brings: a folder, or a packed one.</summary>
    /// <param name="path">The folder or <c>.tar.gz</c>.</param>
    /// <param name="folder">The environment's folder; packages of a folder without an interpreter are imported from it.</param>
    /// <returns>The interpreter; null when the folder has none.</returns>
    /// <exception cref="InferenceException">There is no such environment.</exception>
    public string? Find(string path, out string folder)
    {
        folder = File.Exists(path) ? Unpack(path) : path;
        if (!Directory.Exists(folder))
            throw InferenceException.Invalid($"EXECUTION_ENV_PATH '{path}' is neither a folder nor a packed environment");
        foreach (var name in (string[])["bin/python3", "bin/python"])
        {
            var candidate = Path.Combine(folder, name);
            if (File.Exists(candidate))
                return candidate;
        }

        return null;
    }

    /// <summary>The interpreters to try, best first.</summary>
    private IEnumerable<string> Candidates() => _chosen is not null
        ? [_chosen]
        : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, "python3"))
            .Append("/usr/bin/python3").Append("/usr/local/bin/python3")
            .Where(File.Exists).Distinct();

    private string? FindDefault()
    {
        foreach (var candidate in Candidates())
        {
            if (NumpyOf(candidate) is not { } numpy)
                continue;
            PythonLog.Found(_logger, candidate, numpy);
            return candidate;
        }

        PythonLog.Missing(_logger, string.Join(", ", Candidates()));
        return null;
    }

    private static string? NumpyOf(string interpreter)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(interpreter, ["-c", "import numpy; print(numpy.__version__)"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            var output = process.StandardOutput.ReadToEndAsync();
            var errors = process.StandardError.ReadToEndAsync();
            if (!process.WaitForExit(LookLimit))
            {
                process.Kill(entireProcessTree: true);
                return null;
            }

            _ = errors.Result;
            return process.ExitCode == 0 ? output.Result.Trim() : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    private string Unpack(string path)
    {
        var key = $"{path}:{File.GetLastWriteTimeUtc(path).Ticks}";
        return _unpacked.GetOrAdd(key, _ => new Lazy<string>(() => UnpackOnce(path))).Value;
    }

    private string UnpackOnce(string path)
    {
        PythonLog.Unpacking(_logger, path);
        var folder = Directory.CreateTempSubdirectory("sluice-python-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Remove(folder);
        try
        {
            using var file = File.OpenRead(path);
            using var unzipped = path.EndsWith("gz", StringComparison.Ordinal)
                ? new GZipStream(file, CompressionMode.Decompress)
                : (Stream)file;
            TarFile.ExtractToDirectory(unzipped, folder, overwriteFiles: false);
            return folder;
        }
        catch (Exception error) when (error is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            Remove(folder);
            throw new InferenceException(
                InferenceCode.InvalidArgument, $"EXECUTION_ENV_PATH '{Path.GetFileName(path)}' cannot be unpacked: {error.Message}", error);
        }
    }

    private static void Remove(string folder)
    {
        try
        {
            Directory.Delete(folder, recursive: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // What the system's temporary folder keeps too long, the system removes.
        }
    }
}
