using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.Samples;

/// <summary>What the sample models share: describing, checking, reading and writing small tensors.</summary>
internal static class SampleTensors
{
    /// <summary>Describes a tensor; the batch dimension comes from the configuration, as a sample model can do either.</summary>
    public static TensorDescription Describe(
        ModelSettings settings, string name, DataType type, long[] dims, bool isOptional = false) => new()
        {
            Name = name,
            DataType = type,
            Dims = settings.MaxBatchSize > 0 ? [-1, .. dims] : dims,
            IsOptional = isOptional,
        };

    /// <summary>Says what tensors are configured to be, for models that take any.</summary>
    public static ImmutableArray<TensorDescription> DescribeConfigured(ModelSettings settings, ImmutableArray<TensorSettings> tensors) =>
        [.. tensors.Select(tensor => Describe(settings, tensor.Name, tensor.DataType, tensor.Reshape ?? tensor.Dims, tensor.IsOptional))];

    /// <summary>Finds a model's tensors in the completed settings.</summary>
    /// <returns>Indexes in the settings, -1 for optional ones that are not configured.</returns>
    /// <exception cref="InferenceException">A tensor is configured that the model has not, or lacks that it has.</exception>
    public static int[] Find(ModelSettings settings, string role, ImmutableArray<TensorSettings> configured, ImmutableArray<TensorDescription> described)
    {
        var names = string.Join(", ", described.Select(tensor => tensor.Name));
        foreach (var tensor in configured)
        {
            if (described.All(known => known.Name != tensor.Name))
                throw InferenceException.Invalid(
                    $"model '{settings.Name}' of backend '{settings.Backend}' has no {role} '{tensor.Name}', only: {names}");
        }

        var found = new int[described.Length];
        for (var i = 0; i < found.Length; i++)
        {
            found[i] = configured.Select(tensor => tensor.Name).ToList().IndexOf(described[i].Name);
            if (found[i] < 0 && !described[i].IsOptional)
                throw InferenceException.Invalid(
                    $"model '{settings.Name}' of backend '{settings.Backend}' must configure {role} '{described[i].Name}'");
        }

        return found;
    }

    /// <summary>Reads an input; empty when it did not come.</summary>
    public static unsafe ReadOnlySpan<T> Read<T>(ExecutionBatch batch, int index)
        where T : unmanaged
    {
        if (index < 0 || !batch.Inputs[index].IsPresent)
            return default;
        ref var input = ref batch.Inputs[index];
        return MemoryMarshal.Cast<byte, T>(new ReadOnlySpan<byte>(input.Data, input.ByteLength));
    }

    /// <summary>Rents an output and stores it in the batch; the caller fills it in.</summary>
    public static Span<T> Write<T>(ExecutionBatch batch, int index, in Shape shape, int count)
        where T : unmanaged => MemoryMarshal.Cast<byte, T>(WriteBytes(batch, index, in shape, count * Marshal.SizeOf<T>()));

    /// <summary>Rents an output of any type and stores it in the batch; the caller fills it in.</summary>
    /// <exception cref="InferenceException"><see cref="InferenceCode.ResourceExhausted"/>: the pool's limit is
    /// reached.</exception>
    public static Span<byte> WriteBytes(ExecutionBatch batch, int index, in Shape shape, int byteLength)
    {
        var buffer = Rent(batch, index, byteLength);
        batch.SetOutput(index, in shape, buffer);
        return buffer.GetSpan();
    }

    private static TensorBuffer Rent(ExecutionBatch batch, int index, int byteLength)
    {
        try
        {
            return batch.RentOutput(index, byteLength);
        }
        catch (TensorPoolExhaustedException)
        {
            throw new InferenceException(
                InferenceCode.ResourceExhausted,
                $"output '{batch.Settings.Outputs[index].Name}' of model '{batch.Settings.Name}' with {byteLength} bytes does not fit " +
                $"the server's tensor memory now: {batch.Pool.RentedBytes} of {batch.Pool.MaxBytes} bytes are in use");
        }
    }
}
