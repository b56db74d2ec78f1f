using Sluice.Inference;

namespace Sluice.Backends.OnnxRuntime.Tests;

/// <summary>Model files in a temporary folder, deleted at the end.</summary>
internal sealed class OnnxModelFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("sluice-onnx-");

    public static ModelSettings Settings(string name, string folder) => new()
    {
        Name = name,
        Version = "1",
        Backend = "onnxruntime",
        ModelFolder = folder,
        VersionFolder = folder,
        ModelFilename = "model.onnx",
    };

    public ModelSettings Add(string name, byte[] model)
    {
        var folder = _folder.CreateSubdirectory(name);
        File.WriteAllBytes(Path.Combine(folder.FullName, "model.onnx"), model);
        return Settings(name, folder.FullName);
    }

    public ModelSettings Missing() => Settings("missing", _folder.FullName);

    public void Dispose() => _folder.Delete(recursive: true);
}
