using Sluice.Inference;

namespace Sluice.Backends.Samples.AddSub;

/// <summary>Serves <see cref="AddSubModel"/>: sums on the calling thread while the pool computes the differences.</summary>
internal sealed class AddSubInstance(ModelSettings settings, int[] inputs, int[] outputs) : IModelInstance
{
    public async ValueTask ExecuteAsync(ExecutionBatch batch)
    {
        var (left, right) = (batch.Inputs[inputs[0]].Shape, batch.Inputs[inputs[1]].Shape);
        if (left != right)
            throw InferenceException.Invalid(
                $"expected INPUT0 and INPUT1 shape to match, got {left} and {right} for model '{settings.Name}'");
        var differences = batch.IsRequested(outputs[1]) ? Task.Run(() => Subtract(batch)) : Task.CompletedTask;
        try
        {
            if (batch.IsRequested(outputs[0]))
                Add(batch);
        }
        finally
        {
            // The other half writes into the same batch, so nothing ends before it.
            await differences.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await differences.ConfigureAwait(false);
    }

    public void Terminate()
    {
    }

    public void Dispose()
    {
    }

    private void Add(ExecutionBatch batch)
    {
        var left = SampleTensors.Read<int>(batch, inputs[0]);
        var right = SampleTensors.Read<int>(batch, inputs[1]);
        var sums = SampleTensors.Write<int>(batch, outputs[0], in batch.Inputs[inputs[0]].Shape, left.Length);
        for (var i = 0; i < sums.Length; i++)
            sums[i] = unchecked(left[i] + right[i]);
    }

    private void Subtract(ExecutionBatch batch)
    {
        var left = SampleTensors.Read<int>(batch, inputs[0]);
        var right = SampleTensors.Read<int>(batch, inputs[1]);
        var differences = SampleTensors.Write<int>(batch, outputs[1], in batch.Inputs[inputs[0]].Shape, left.Length);
        for (var i = 0; i < differences.Length; i++)
            differences[i] = unchecked(left[i] - right[i]);
    }
}
