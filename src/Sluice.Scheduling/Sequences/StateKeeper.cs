using Sluice.Inference;
using Sluice.Scheduling.Dynamic;
using Sluice.Tensors;

namespace Sluice.Scheduling.Sequences;

/// <summary>Keeps what a step left for the next one of its sequence.</summary>
internal static class StateKeeper
{
    /// <summary>Copies each request's rows of the state outputs to its sequence.</summary>
    /// <param name="batch">Has run.</param>
    /// <param name="requests">All of its requests; those without a sequence are skipped.</param>
    /// <param name="pool">Where the states live.</param>
    /// <param name="isRunning">The step goes on and may read its states; <see cref="Sequence.SettleStates"/> comes at its end.</param>
    /// <exception cref="InferenceException">A state has another type or other rows than the batch, or there is no memory.</exception>
    public static void Keep(ExecutionBatch batch, ReadOnlySpan<InferRequest> requests, TensorBufferPool pool, bool isRunning)
    {
        var settings = batch.Settings;
        for (var i = 0; i < settings.StateOutputs.Length; i++)
        {
            var index = settings.StateOutputs[i];

            // A model that leaves a state out has not changed it.
            if (batch.GetOutput(index, out var shape) is not { } buffer)
                continue;
            var output = settings.Outputs[index];
            if (batch.OutputType(index) != output.DataType)
                throw new InferenceException(
                    InferenceCode.Internal,
                    $"state output '{output.Name}' of model '{settings.Name}' is {batch.OutputType(index).WireName()}, its " +
                    $"configuration says {output.DataType.WireName()}");

            // A batch of one is not taken whole: the next step's batch goes by the rows.
            var rows = new RowWalk(batch, index, buffer, in shape, isWhole: settings.MaxBatchSize == 0 && requests.Length == 1);
            foreach (var request in requests)
            {
                rows.Next(request, out var rowShape, out var offset, out var length);
                if (request.Sequence is Sequence sequence)
                    Store(sequence, i, pool, isRunning, in rowShape, buffer.GetSpan().Slice(offset, length), output.Name, settings.Name);
            }
        }
    }

    private static void Store(
        Sequence sequence, int index, TensorBufferPool pool, bool isRunning, in Shape shape, ReadOnlySpan<byte> data, string output,
        string model)
    {
        try
        {
            if (isRunning)
                sequence.States[index].PutAside(pool, in shape, data);
            else
                sequence.States[index].Store(pool, in shape, data);
        }
        catch (TensorPoolExhaustedException)
        {
            throw new InferenceException(
                InferenceCode.ResourceExhausted,
                $"state '{output}' of model '{model}' with {data.Length} bytes does not fit the server's tensor memory now: " +
                $"{pool.RentedBytes} of {pool.MaxBytes} bytes are in use");
        }
    }
}
