using System.Collections.Immutable;
using System.Diagnostics;
using Sluice.Inference;
using Sluice.Testing;

namespace Sluice.Backends.OnnxRuntime.Tests;

/// <summary>Counts the process's threads, so nothing else may run meanwhile.</summary>
[CollectionDefinition(nameof(SharedThreadsTests), DisableParallelization = true)]
[Collection(nameof(SharedThreadsTests))]
public sealed class SharedThreadsTests : IDisposable
{
    private readonly OnnxRuntimeBackend _backend = new();
    private readonly List<IBackendModel> _models = [];

    public void Dispose()
    {
        foreach (var model in _models) model.Dispose();
        _backend.Dispose();
    }

    [Fact]
    public void Load_ManyModels_AddsNoThreads()
    {
        Load(1, "0");
        var before = ThreadCount();
        Load(20, "0");
        Assert.InRange(ThreadCount() - before, -100, 9);
    }

    [Fact]
    public void Load_ModelsWithTheirOwnThreads_AddsThem()
    {
        Load(1, "0");
        var before = ThreadCount();
        Load(5, "5");
        Assert.InRange(ThreadCount() - before, 16, 100);
    }

    private static int ThreadCount()
    {
        using var process = Process.GetCurrentProcess();
        return process.Threads.Count;
    }

    private void Load(int count, string threads)
    {
        var golden = GoldenSet.Read("onnx", "mlp_digits");
        var settings = OnnxModelFolder.Settings(golden.Name, golden.Folder) with
        {
            Parameters = ImmutableDictionary<string, string>.Empty.Add("intra_op_thread_count", threads),
        };
        for (var i = 0; i < count; i++) _models.Add(_backend.Load(settings));
    }
}
