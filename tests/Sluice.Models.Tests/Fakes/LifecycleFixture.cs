using System.Text;
using Microsoft.Extensions.Logging.Abstractions;

namespace Sluice.Models.Tests;

/// <summary>A lifecycle over a temporary repository and a fake loader.</summary>
internal sealed class LifecycleFixture : IAsyncDisposable
{
    public LifecycleFixture(LifecycleOptions? options = null, TimeProvider? time = null)
    {
        options ??= new LifecycleOptions { Mode = ModelControlMode.Explicit };
        Lifecycle = new ModelLifecycle(
            new ModelRepository(new RepositoryOptions { Folders = [Folder.Path] }),
            Loader,
            options,
            new ModelConfigOptions(),
            NullLogger<ModelLifecycle>.Instance,
            time ?? TimeProvider.System);
    }

    public TempFolder Folder { get; } = new();

    public FakeLoader Loader { get; } = new();

    public ModelLifecycle Lifecycle { get; }

    public ModelTable Table => Lifecycle.Table;

    public void AddModel(string name, string config = "", params string[] versions)
    {
        foreach (var version in versions.DefaultIfEmpty("1"))
            Folder.Write($"{name}/{version}/model.onnx");
        Folder.Write($"{name}/config.pbtxt", config);
    }

    public Task LoadAsync(string name, string? json = null, params (string Path, string Content)[] files) => Lifecycle.LoadAsync(
        name, json, files.ToDictionary(f => f.Path, f => (ReadOnlyMemory<byte>)Encoding.UTF8.GetBytes(f.Content)),
        CancellationToken.None);

    public Task UnloadAsync(string name) => Lifecycle.UnloadAsync(name, withDependents: false, CancellationToken.None);

    public ModelLease Acquire(string name, string version = "") => Table.Acquire(name, version);

    public bool IsReady(string name, string version = "") =>
        Table.IsReady(Encoding.UTF8.GetBytes(name), Encoding.UTF8.GetBytes(version), out _);

    public VersionSnapshot Version(string name, long number) => Table.Find(name)!.Find(number)!;

    public async ValueTask DisposeAsync()
    {
        await Lifecycle.DisposeAsync();
        Folder.Dispose();
    }
}
