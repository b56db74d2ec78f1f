using Sluice.Inference;
using Sluice.Testing;

namespace Sluice.Backends.OnnxRuntime.Tests;

public sealed class OnnxRuntimeLibraryTests
{
    [Fact]
    public void Load_Library_HasAVersionAndAFile()
    {
        var library = OnnxRuntimeLibrary.Load();
        Assert.StartsWith("1.", library.Version, StringComparison.Ordinal);
        Assert.NotEmpty(library.Path);
        Assert.Same(library, OnnxRuntimeLibrary.Load());
    }

    [Fact]
    public void Load_OnLinux_OpensNoTelemetryFiles()
    {
        if (!OperatingSystem.IsLinux()) return;
        using var backend = new OnnxRuntimeBackend();
        var golden = GoldenSet.Read("onnx", "scalar_io");
        using var model = backend.Load(OnnxModelFolder.Settings(golden.Name, golden.Folder));
        var open = Directory.GetFiles("/proc/self/fd")
            .Select(file => new FileInfo(file).LinkTarget ?? "")
            .Where(target => target.Contains("onnxruntime.db", StringComparison.Ordinal)
                || target.Contains("mat-debug", StringComparison.Ordinal));
        Assert.Empty(open);
    }

    [Fact]
    public void LoadFrom_NothingThere_NamesEveryPlaceAndTheWayOut()
    {
        var folder = Directory.CreateTempSubdirectory("sluice-library-");
        try
        {
            Directory.CreateDirectory(Path.Combine(folder.FullName, "artifacts", "native", "onnxruntime"));
            var program = folder.CreateSubdirectory("bin").FullName;
            var error = Assert.Throws<InferenceException>(
                () => OnnxRuntimeLibrary.LoadFrom(null, program, "libnosuchthing.so.1"));
            Assert.Equal(InferenceCode.FailedPrecondition, error.Code);
            Assert.Contains(Path.Combine(program, "libnosuchthing.so.1"), error.Message, StringComparison.Ordinal);
            Assert.Contains(
                Path.Combine(folder.FullName, "artifacts", "native", "onnxruntime", "libnosuchthing.so.1"),
                error.Message, StringComparison.Ordinal);
            Assert.Contains("scripts/fetch-onnxruntime.sh", error.Message, StringComparison.Ordinal);
            Assert.Contains(OnnxRuntimeLibrary.PathVariable, error.Message, StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void LoadFrom_NamedFileIsNoLibrary_DoesNotFallBack()
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, "text");
            var error = Assert.Throws<InferenceException>(
                () => OnnxRuntimeLibrary.LoadFrom(file, AppContext.BaseDirectory, "libonnxruntime.so.1"));
            Assert.Contains(file, error.Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }
}
