using System.Collections.Immutable;
using Sluice.Inference;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Backends.OnnxRuntime.Tests;

public sealed class AdaptiveSessionTests : IDisposable
{
    private readonly OnnxModelFolder _folder = new();
    private readonly OnnxRuntimeBackend _backend = new();
    private readonly TensorBufferPool _pool = new(new TensorBufferPoolOptions { Debug = true });

    public void Dispose()
    {
        _backend.Dispose();
        _folder.Dispose();
        _pool.Dispose();
    }

    [Fact]
    public async Task SlowModel_AfterAFewRuns_MovesToTheSharedThreadsAndStillWorks()
    {
        using var model = (OnnxModel)_backend.Load(_folder.Add("slow", LoopModel.Bytes));
        var session = Assert.Single(model.Sessions);
        var before = session.Current;
        await RunAsync(model, rounds: 40, steps: 20_000);
        Assert.NotNull(session.Moving);
        await session.Moving;
        Assert.NotSame(before, session.Current);
        await RunAsync(model, rounds: 3, steps: 5);
    }

    [Fact]
    public async Task FastModel_ManyRuns_StaysOnTheCallersThread()
    {
        using var model = (OnnxModel)_backend.Load(_folder.Add("fast", LoopModel.Bytes));
        await RunAsync(model, rounds: 2000, steps: 1);
        Assert.Null(Assert.Single(model.Sessions).Moving);
    }

    [Fact]
    public void ModelWithItsOwnThreads_IsNotWatched()
    {
        var golden = GoldenSet.Read("onnx", "mlp_digits");
        var settings = OnnxModelFolder.Settings(golden.Name, golden.Folder) with
        {
            Parameters = ImmutableDictionary<string, string>.Empty.Add("intra_op_thread_count", "1"),
        };
        using var model = (OnnxModel)_backend.Load(settings);
        Assert.False(Assert.Single(model.Sessions).IsWatching);
    }

    private static unsafe BatchInput Steps(TensorBuffer buffer) => new()
    {
        IsPresent = true,
        DataType = DataType.Int64,
        Data = buffer.Pointer,
        ByteLength = buffer.Length,
    };

    private async Task RunAsync(OnnxModel model, int rounds, long steps)
    {
        var settings = TestKit.BackendRunner.Complete(_folder.Missing(), model.Description);
        using var instance = model.CreateInstance(settings, new InstancePlacement("test_0", InstanceKind.Cpu, 0));
        using var buffer = _pool.Rent(sizeof(long));
        BitConverter.TryWriteBytes(buffer.GetSpan(), steps);
        var batch = new ExecutionBatch(settings, _pool, _ => { });
        for (var i = 0; i < rounds; i++)
        {
            batch.Begin(1);
            batch.Inputs[0] = Steps(buffer);
            batch.Request(0);
            await instance.ExecuteAsync(batch);
            Assert.NotNull(batch.GetOutput(0, out _));
            batch.Release();
        }
    }
}
