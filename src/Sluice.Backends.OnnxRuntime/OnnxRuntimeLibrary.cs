using System.Globalization;
using System.Runtime.InteropServices;
using Sluice.Backends.OnnxRuntime.Interop;
using Sluice.Inference;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>The engine's shared library: finds it, loads it and agrees on a version of its C interface.</summary>
/// <remarks>
/// Looked for, in this order: the file named by <see cref="PathVariable"/>, the program's folder,
/// <c>artifacts/native/onnxruntime</c> in any folder above the program, the system's libraries.
/// </remarks>
public sealed unsafe class OnnxRuntimeLibrary
{
    /// <summary>Environment variable with the full path of the library, for example of a GPU build.</summary>
    public const string PathVariable = "SLUICE_ONNXRUNTIME_LIBRARY";

    private static readonly Lock Gate = new();
    private static OnnxRuntimeLibrary? _loaded;

    private OnnxRuntimeLibrary(string path, nint module)
    {
        Path = path;
        if (!NativeLibrary.TryGetExport(module, "OrtGetApiBase", out var entry))
        {
            throw Unusable($"'{path}' is not an ONNX Runtime library: it has no function OrtGetApiBase");
        }

        // OrtApiBase holds two functions: GetApi(version) and GetVersionString().
        var functions = ((delegate* unmanaged[Cdecl]<nint*>)entry)();
        Version = NativeText.Read(((delegate* unmanaged[Cdecl]<byte*>)functions[1])());

        // Asking for a newer table than the library has makes it write to stderr, so its own number is asked first:
        // release 1.N has version N.
        var number = ParseMinor(Version);
        var version = Math.Min(number, OrtApi.NewestVersion);
        var table = version < OrtApi.OldestVersion
            ? null
            : ((delegate* unmanaged[Cdecl]<uint, nint*>)functions[0])((uint)version);
        if (table is null)
        {
            throw Unusable($"'{path}' is ONNX Runtime {Version}; 1.{OrtApi.OldestVersion} or later is needed");
        }

        Api = new OrtApi(table, version);
    }

    /// <summary>The library's file.</summary>
    public string Path { get; }

    /// <summary>The library's release, such as <c>1.30.0</c>.</summary>
    public string Version { get; }

    internal OrtApi Api { get; }

    private static string FileName =>
        OperatingSystem.IsWindows() ? "onnxruntime.dll"
        : OperatingSystem.IsMacOS() ? "libonnxruntime.dylib"
        : "libonnxruntime.so.1";

    /// <summary>Loads the library, once per process.</summary>
    /// <returns>The library; it is never unloaded.</returns>
    /// <exception cref="InferenceException"><see cref="InferenceCode.FailedPrecondition"/> when there is none or it is
    /// unusable; the message names every place tried and what to do.</exception>
    public static OnnxRuntimeLibrary Load()
    {
        lock (Gate)
        {
            return _loaded ??= LoadFrom(
                Environment.GetEnvironmentVariable(PathVariable), AppContext.BaseDirectory, FileName);
        }
    }

    internal static OnnxRuntimeLibrary LoadFrom(string? named, string programFolder, string fileName)
    {
        // A library that is named but broken must not be replaced by another one in silence.
        var places = string.IsNullOrEmpty(named) ? Places(programFolder, fileName).ToArray() : [named];
        var tried = new List<string>();
        TelemetrySwitch.TurnOff();
        foreach (var place in places)
        {
            var isFile = place.Contains(System.IO.Path.DirectorySeparatorChar);
            if (isFile && !File.Exists(place))
            {
                tried.Add($"{place} (no such file)");
            }
            else if (TryLoad(place, out var module, out var reason))
            {
                return new OnnxRuntimeLibrary(place, module);
            }
            else
            {
                tried.Add($"{place} ({reason})");
            }
        }

        throw Unusable(
            $"The ONNX Runtime library was not found. Tried: {string.Join("; ", tried)}. Run scripts/fetch-onnxruntime.sh "
            + $"once, or set {PathVariable} to the full path of {fileName}");
    }

    private static IEnumerable<string> Places(string programFolder, string fileName)
    {
        yield return System.IO.Path.Combine(programFolder, fileName);
        for (var folder = new DirectoryInfo(programFolder); folder is not null; folder = folder.Parent)
        {
            // Only folders that exist are named: the list is read by a person.
            var place = System.IO.Path.Combine(folder.FullName, "artifacts", "native", "onnxruntime");
            if (Directory.Exists(place)) yield return System.IO.Path.Combine(place, fileName);
        }

        yield return fileName;
    }

    private static bool TryLoad(string place, out nint module, out string reason)
    {
        try
        {
            module = NativeLibrary.Load(place);
            reason = "";
            return true;
        }
        catch (Exception error) when (error is DllNotFoundException or BadImageFormatException)
        {
            module = 0;

            // The runtime's advice comes first, the system loader's own words last.
            reason = error.Message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)[^1];
            return false;
        }
    }

    private static int ParseMinor(string version)
    {
        var parts = version.Split('.');
        return parts.Length > 1 && parts[0] == "1"
            && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var minor) ? minor : 0;
    }

    private static InferenceException Unusable(string message) => new(InferenceCode.FailedPrecondition, message + '.');
}
