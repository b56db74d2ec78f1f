using System.Text.Json.Nodes;
using Sluice.Backends.Python.Workers;
using Sluice.Inference;

namespace Sluice.Backends.Python.Models;

/// <summary>Has a worker process open what scikit-learn saved and write the forest in it in the server's own format.</summary>
/// <remarks>A pickle runs code when it is opened, so this happens in a process with the limits of a model's. Its file is taken as
/// untrusted: a plain one of bounded size, and whoever reads it checks it. <b>Threads.</b> Any number of callers.</remarks>
/// <param name="runtime">Shared with the other Python engines; owned by the caller.</param>
public sealed class ForestExporter(PythonRuntime runtime)
{
    /// <summary>Exports a file.</summary>
    /// <param name="settings">The model; interpreter, packages and limits are read as for Python models.</param>
    /// <param name="file">The pickle or joblib file.</param>
    /// <param name="mostBytes">Largest result.</param>
    /// <returns>The forest in the server's format, not checked.</returns>
    /// <exception cref="InferenceException">There is no Python or scikit-learn, or the file holds something else; the message says
    /// which.</exception>
    public byte[] Export(ModelSettings settings, string file, long mostBytes)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var folder = Directory.CreateTempSubdirectory("sluice-forest-").FullName;
        var result = Path.Combine(folder, "forest");
        try
        {
            // A process that runs as another user may add its file, and nobody may replace what is there.
            if (!OperatingSystem.IsWindows() && WorkerPlans.SettingsOf(settings)("USER") is { Length: > 0 })
                File.SetUnixFileMode(folder, UnixFileMode.StickyBit | (UnixFileMode)0b111_011_011);
            Run(settings, file, result);
            var written = new FileInfo(result);
            if (!written.Exists || written.LinkTarget is not null || written.Length == 0 || written.Length > mostBytes)
                throw InferenceException.Invalid($"model '{settings.Name}': its forest is absent, no plain file, or has more than {mostBytes} bytes");
            return File.ReadAllBytes(result);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private void Run(ModelSettings settings, string file, string result)
    {
        var plan = WorkerPlans.Create(
            runtime, settings.Name, $"{settings.Name}_export", settings.ModelFolder, WorkerPlans.SettingsOf(settings), new JsonObject
            {
                ["kind"] = "forest",
                ["file"] = file,
                ["result"] = result,
            });

        // Loads have threads that may block.
        plan = runtime.Packages.AddAsync(plan, takesExtra: false, runtime.Stopping).GetAwaiter().GetResult();
        var host = new WorkerHost(plan, new WorkerClientProxy(runtime, settings.Name), runtime.Logger, runtime.Time);
        try
        {
            host.LoadAsync(runtime.Stopping).GetAwaiter().GetResult();
        }
        finally
        {
            host.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }
}
