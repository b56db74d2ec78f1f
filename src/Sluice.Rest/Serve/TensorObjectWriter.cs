using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Sluice.Inference;
using Sluice.Rest.Calls;
using Sluice.Rest.Json;
using Sluice.Tensors;

namespace Sluice.Rest.Serve;

/// <summary>Writes a response's tensors as <c>{"output": [[1, 2]], …}</c>, nested by their shapes.</summary>
internal static class TensorObjectWriter
{
    public static void Write(ResponseBuffer output, InferRequest request, TensorBufferPool pool)
    {
        var settings = request.Settings!;
        output.WriteRaw("{"u8);
        var isFirst = true;
        foreach (ref readonly var tensor in request.Outputs)
        {
            if (!isFirst)
                output.WriteRaw(","u8);
            isFirst = false;
            var name = settings.Outputs[tensor.Index];
            output.WriteJsonString(name.NameUtf8);
            output.WriteRaw(":"u8);
            WriteTensor(output, in tensor, name.Name, pool);
        }

        output.WriteRaw("}"u8);
    }

    private static void WriteTensor(ResponseBuffer output, in OutputTensor tensor, string name, TensorBufferPool pool)
    {
        if (tensor.DataType is not (DataType.Fp16 or DataType.Bf16))
        {
            WriteNested(output, tensor.DataType, tensor.Shape.Dimensions, tensor.Data, name);
            return;
        }

        var count = tensor.Length / sizeof(ushort);
        using var wide = pool.Rent(count * sizeof(float));
        var values = MemoryMarshal.Cast<byte, float>(wide.GetSpan());
        for (var i = 0; i < count; i++)
            values[i] = HalfNumbers.ToSingle(BinaryPrimitives.ReadUInt16LittleEndian(tensor.Data[(i * sizeof(ushort))..]), tensor.DataType);
        WriteNested(output, DataType.Fp32, tensor.Shape.Dimensions, wide.GetSpan()[..(count * sizeof(float))], name);
    }

    /// <returns>Bytes of the data that were written.</returns>
    private static int WriteNested(
        ResponseBuffer output, DataType type, ReadOnlySpan<long> dims, ReadOnlySpan<byte> data, string name)
    {
        if (dims.Length <= 1)
        {
            var length = LengthOf(type, dims.IsEmpty ? 1 : dims[0], data);
            if (dims.IsEmpty)
                TensorJsonWriter.WriteElements(output, type, data[..length], name);
            else
                TensorJsonWriter.Write(output, type, data[..length], name);
            return length;
        }

        var used = 0;
        output.WriteRaw("["u8);
        for (long i = 0; i < dims[0]; i++)
        {
            if (i > 0)
                output.WriteRaw(","u8);
            used += WriteNested(output, type, dims[1..], data[used..], name);
        }

        output.WriteRaw("]"u8);
        return used;
    }

    private static int LengthOf(DataType type, long count, ReadOnlySpan<byte> data)
    {
        if (type != DataType.Bytes)
            return checked((int)(count * type.ElementSize()));
        var length = 0;
        for (long i = 0; i < count; i++)
            length += 4 + BinaryPrimitives.ReadInt32LittleEndian(data[length..]);
        return length;
    }
}
