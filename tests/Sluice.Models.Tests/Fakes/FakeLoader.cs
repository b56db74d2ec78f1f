using System.Collections.Concurrent;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Models.Tests;

/// <summary>Makes servables without engines; every model is one FP32 tensor in and out.</summary>
internal sealed class FakeLoader : IModelLoader
{
    private int _running;

    public static ModelDescription Graph { get; } = new(
        [new TensorDescription { Name = "x", DataType = DataType.Fp32, Dims = [-1, 4] }],
        [new TensorDescription { Name = "y", DataType = DataType.Fp32, Dims = [-1, 2] }]);

    /// <summary>Runs in each load before it succeeds; throw to fail it.</summary>
    public Func<ModelSettings, Task> OnLoad { get; set; } = _ => Task.CompletedTask;

    public ConcurrentQueue<FakeServable> Loaded { get; } = [];

    public int Attempts { get; private set; }

    public int MostRunning { get; private set; }

    public async Task<IServable> LoadAsync(ModelLoadPlan plan, CancellationToken cancellationToken)
    {
        lock (this)
        {
            Attempts++;
            MostRunning = Math.Max(MostRunning, ++_running);
        }

        try
        {
            await OnLoad(plan.Draft);
            var servable = new FakeServable(plan.Complete(Graph));
            Loaded.Enqueue(servable);
            return servable;
        }
        finally
        {
            lock (this)
                _running--;
        }
    }
}
