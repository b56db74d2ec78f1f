using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Server;
using Sluice.Server.Composition;
using Sluice.Testing;

namespace Sluice.Functional.Tests.Python;

/// <summary>The real server with every golden Python model and everything that scikit-learn saved.</summary>
public sealed class PythonFixture : IAsyncLifetime, IDisposable
{
    private readonly LoggerFactory _loggers = new();
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("sluice-python-");

    public ServerHost Host { get; private set; } = null!;

    /// <summary>Where golden models write what they did.</summary>
    public string NoteFile => Path.Combine(_folder.FullName, "notes");

    public string Repository => Path.Combine(_folder.FullName, "models");

    public HttpClient CreateHttp() => new() { BaseAddress = Host.HttpAddress, Timeout = ServerFixture.Patience };

    public async Task InitializeAsync()
    {
        Environment.SetEnvironmentVariable("GOLDEN_NOTE_FILE", NoteFile);
        Environment.SetEnvironmentVariable("PATH_TO_MY_SECRET_THING", "nobody knows");
        foreach (var folder in Directory.EnumerateDirectories(GoldenSet.FolderOf("python")))
            CopyPython(folder);
        foreach (var folder in Directory.EnumerateDirectories(GoldenSet.FolderOf("sklearn")))
            CopySklearn(folder);
        foreach (var folder in Directory.EnumerateDirectories(Path.Combine(GoldenSet.FolderOf("python"), "..", "..", "python")))
            CopyAll(folder, Path.Combine(Repository, Path.GetFileName(folder)));
        var examples = Path.Combine(GoldenSet.FolderOf("python"), "..", "..", "..", "..", "examples", "python", "models");
        foreach (var folder in Directory.EnumerateDirectories(examples))
            CopyAll(folder, Path.Combine(Repository, Path.GetFileName(folder)));
        var digits = Directory.CreateDirectory(Path.Combine(Repository, "digit_cnn", "1")).FullName;
        File.Copy(Path.Combine(GoldenSet.FolderOf("clearml"), "image_triton_onnx", "model.onnx"), Path.Combine(digits, "model.onnx"));
        var loopback = new IPEndPoint(IPAddress.Loopback, 0);
        Host = new ServerHost(
            new ServerOptions
            {
                ModelRepositories = [Repository],
                Grpc = loopback,
                Http = loopback,
                Metrics = loopback,
                GrpcTransport = ServerFixture.Transport,
                WarmUp = false,
                StrictReadiness = false,
                ExitTimeout = TimeSpan.FromSeconds(20),
                BackendConfig = [("python", "cancel-grace-seconds", "1"), ("python", "start-timeout-seconds", "120")],
            },
            _loggers, TimeProvider.System);
        Assert.True(await Host.StartAsync(CancellationToken.None));
    }

    public async Task DisposeAsync()
    {
        var hasDrained = await Host.StopAsync();
        await Host.DisposeAsync();
        _folder.Delete(recursive: true);
        Assert.True(hasDrained, "calls were still running when the server stopped");
    }

    public void Dispose() => _loggers.Dispose();

    private void CopyPython(string folder)
    {
        var target = Path.Combine(Repository, JsonOf(folder).GetProperty("model_name").GetString()!);
        CopyAll(folder, target);
    }

    private void CopySklearn(string folder)
    {
        var file = JsonOf(folder).GetProperty("model_file").GetString()!;
        var version = Directory.CreateDirectory(Path.Combine(Repository, $"sk_{Path.GetFileName(folder)}", "1")).FullName;
        File.Copy(Path.Combine(folder, file), Path.Combine(version, "model.pkl"));
    }

    private static void CopyAll(string folder, string target)
    {
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            if (Path.GetFileName(file) == "about.json")
                continue;
            var path = Path.Combine(target, Path.GetRelativePath(folder, file));
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.Copy(file, path);
        }
    }

    public static JsonElement JsonOf(string folder) => JsonElement.Parse(File.ReadAllBytes(Path.Combine(folder, "about.json")));
}

/// <summary>One server for all tests of Python models.</summary>
[CollectionDefinition(Name)]
public sealed class PythonGroup : ICollectionFixture<PythonFixture>
{
    public const string Name = "python";
}
