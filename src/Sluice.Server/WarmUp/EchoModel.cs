using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Server.WarmUp;

/// <summary>A model without an engine, for the warm-up alone: its output is its input.</summary>
internal sealed class EchoModel : IBackendModel, IModelInstance
{
    public static ModelSettings Settings { get; } = new()
    {
        Name = "warm-up",
        Version = "1",
        Backend = "echo",
        ModelFolder = "",
        VersionFolder = "",
        ModelFilename = "",
        MaxBatchSize = 8,
        Inputs = [new TensorSettings { Name = "INPUT0", DataType = DataType.Fp32, Dims = [16] }],
        Outputs = [new TensorSettings { Name = "OUTPUT0", DataType = DataType.Fp32, Dims = [16] }],
        DynamicBatching = new DynamicBatchingSettings(),
    };

    public ModelDescription Description { get; } = new([], []);

    public IModelInstance CreateInstance(ModelSettings settings, InstancePlacement placement) => this;

    public unsafe ValueTask ExecuteAsync(ExecutionBatch batch)
    {
        ref var input = ref batch.Inputs[0];
        var output = batch.Pool.Rent(input.ByteLength);
        new ReadOnlySpan<byte>(input.Data, input.ByteLength).CopyTo(output.GetSpan());
        batch.SetOutput(0, in input.Shape, output);
        return ValueTask.CompletedTask;
    }

    public void Terminate()
    {
    }

    public void Dispose()
    {
    }
}
