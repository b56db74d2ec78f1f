using Sluice.Inference;

namespace Sluice.Testing;

/// <summary>Answers on the calling thread, each output a copy of the input of its index; allocates nothing.</summary>
public sealed unsafe class EchoInstance : IModelInstance
{
    public ValueTask ExecuteAsync(ExecutionBatch batch)
    {
        for (var i = 0; i < batch.Settings.Outputs.Length; i++)
        {
            ref var input = ref batch.Inputs[i];
            if (!input.IsPresent || !batch.IsRequested(i))
                continue;
            var buffer = batch.RentOutput(i, input.ByteLength);
            new ReadOnlySpan<byte>(input.Data, input.ByteLength).CopyTo(buffer.GetSpan());
            batch.SetOutput(i, in input.Shape, buffer);
        }

        return default;
    }

    public void Terminate()
    {
    }

    public void Dispose()
    {
    }
}
