using Sluice.Backends.OnnxRuntime.Interop;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>Copies outputs that the engine allocated into pooled buffers.</summary>
internal static unsafe class OutputReader
{
    public static Shape ReadShape(OrtApi api, nint value, string name)
    {
        // An optional output that the graph left empty.
        if (value == 0) throw new InferenceException(InferenceCode.Internal, $"the model did not make output '{name}'");
        nint info;
        api.Check(api.GetTensorTypeAndShape(value, &info));
        try
        {
            nuint rank;
            api.Check(api.GetDimensionsCount(info, &rank));
            if (rank > Shape.MaxRank)
            {
                throw new InferenceException(InferenceCode.Internal, $"output '{name}' has {rank} dimensions");
            }

            var dimensions = stackalloc long[Shape.MaxRank];
            api.Check(api.GetDimensions(info, dimensions, rank));
            return Shape.Create(new ReadOnlySpan<long>(dimensions, (int)rank));
        }
        finally
        {
            api.ReleaseTensorTypeAndShapeInfo(info);
        }
    }

    /// <returns>The buffer; the caller disposes it.</returns>
    /// <exception cref="OverflowException">More than 2^31 - 1 bytes.</exception>
    public static TensorBuffer Copy(
        OrtApi api, nint value, in Shape shape, DataType type, ExecutionBatch batch, int outputIndex)
    {
        shape.TryGetElementCount(out var count);
        if (type == DataType.Bytes) return StringTensors.Read(api, value, count, batch.Pool);
        var buffer = batch.RentOutput(outputIndex, checked((int)(count * type.ElementSize())));
        void* data = null;
        var status = buffer.Length == 0 ? 0 : api.GetTensorMutableData(value, &data);
        if (status != 0)
        {
            buffer.Dispose();
            throw api.Take(status);
        }

        new ReadOnlySpan<byte>(data, buffer.Length).CopyTo(buffer.GetSpan());
        return buffer;
    }
}
