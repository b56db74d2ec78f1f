using Sluice.Inference;

namespace Sluice.Models.Tests;

/// <summary>The temporary folder of files that came with a load request: it lives exactly as long as its model.</summary>
public sealed class OverrideFilesTests : IAsyncLifetime, IAsyncDisposable
{
    private readonly LifecycleFixture _fixture = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public ValueTask DisposeAsync() => _fixture.DisposeAsync();

    // xunit 2 knows only this one.
    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    [Fact]
    public async Task Load_Files_AreThereUntilTheLastRequestHasEnded()
    {
        await _fixture.LoadAsync("m", "{}", ("2/model.onnx", "a"), ("2/sub/w.bin", "b"));
        var lease = _fixture.Acquire("m");
        var folder = lease.Servable.Settings.VersionFolder;
        Assert.Equal("b", await File.ReadAllTextAsync(Path.Combine(folder, "sub", "w.bin")));
        await _fixture.UnloadAsync("m");
        Assert.True(File.Exists(Path.Combine(folder, "model.onnx")));
        lease.Dispose();
        await GoneAsync(folder);
    }

    [Fact]
    public async Task Load_FromDiskAfterFiles_RemovesThem()
    {
        _fixture.AddModel("m", "max_batch_size: 2");
        await _fixture.LoadAsync("m", "{ \"max_batch_size\": 5 }", ("9/model.onnx", "a"));
        string folder;
        using (var lease = _fixture.Acquire("m"))
        {
            folder = lease.Servable.Settings.VersionFolder;
            Assert.Equal(("9", 5), (lease.Servable.Settings.Version, lease.Servable.Settings.MaxBatchSize));
        }

        await _fixture.LoadAsync("m");
        using (var lease = _fixture.Acquire("m"))
            Assert.Equal(("1", 2), (lease.Servable.Settings.Version, lease.Servable.Settings.MaxBatchSize));
        await GoneAsync(folder);
    }

    [Fact]
    public async Task Load_FilesThatDoNotLoad_AreRemovedAtOnce()
    {
        string? folder = null;
        _fixture.Loader.OnLoad = settings =>
        {
            folder = settings.ModelFolder;
            throw InferenceException.Invalid("no");
        };
        await Assert.ThrowsAsync<InferenceException>(() => _fixture.LoadAsync("m", "{}", ("1/model.onnx", "a")));
        Assert.NotNull(folder);
        Assert.False(Directory.Exists(folder));
    }

    [Fact]
    public async Task Load_SameFilesTwice_IsANewModelEachTime()
    {
        await _fixture.LoadAsync("m", "{}", ("1/model.onnx", "a"));
        var first = _fixture.Loader.Loaded.Last();
        await _fixture.LoadAsync("m", "{}", ("1/model.onnx", "a"));
        await first.Disposed;
        await GoneAsync(first.Settings.VersionFolder);
        Assert.True(File.Exists(_fixture.Loader.Loaded.Last().Settings.ModelPath));
    }

    [Fact]
    public async Task Load_TooManyFiles_IsRefused()
    {
        var files = Enumerable.Range(0, OverrideFolder.MaxFiles + 1).Select(i => ($"1/{i}", "")).ToArray();
        var error = await Assert.ThrowsAsync<InferenceException>(() => _fixture.LoadAsync("m", "{}", files));
        Assert.Equal(InferenceCode.ResourceExhausted, error.Code);
    }

    [Fact]
    public async Task Load_LabelFile_IsReadWithTheVersion()
    {
        const string Config = """{"backend":"onnxruntime","output":[{"name":"y","data_type":"TYPE_FP32","dims":[2],"label_filename":"names.txt"}],"input":[{"name":"x","data_type":"TYPE_FP32","dims":[4]}],"max_batch_size":2}""";
        await _fixture.LoadAsync("m", Config, ("1/model.onnx", ""), ("names.txt", "Katze\r\nHund\n"));
        using (var lease = _fixture.Acquire("m"))
            Assert.Equal(["Katze", "Hund"], lease.Servable.Settings.Outputs[0].Labels.Select(System.Text.Encoding.UTF8.GetString));
        var error = await Assert.ThrowsAsync<InferenceException>(() => _fixture.LoadAsync("n", Config, ("1/model.onnx", "")));
        Assert.Contains("label file 'names.txt' of output 'y' of model 'n' is not there", error.Message, StringComparison.Ordinal);
    }

    /// <summary>A model is released after its last request, in the background.</summary>
    private static async Task GoneAsync(string folder)
    {
        var began = System.Diagnostics.Stopwatch.GetTimestamp();
        while (Directory.Exists(folder))
        {
            Assert.True(System.Diagnostics.Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(20), $"{folder} stays");
            await Task.Yield();
        }
    }
}
