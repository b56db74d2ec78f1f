using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Server.Tracing;

/// <summary>Notes tensors as text.</summary>
internal static class TensorText
{
    /// <summary>Further elements are left out: a trace must not take more memory than the tensor itself.</summary>
    private const int MostBytes = 256 * 1024;

    /// <summary>Notes a bound request's inputs, while the regions that they may lie in are held.</summary>
    public static void NoteInputs(InferRequest request, RequestTrace trace)
    {
        foreach (ref readonly var input in request.Inputs)
        {
            var bytes = TensorPlacement.CopyStart(request, in input, MostBytes);
            trace.Add(new TraceTensor(
                "TENSOR_QUEUE_INPUT", request.TextString(input.Name), Print(input.DataType, bytes, bytes.Length < input.Data.Length),
                Join(input.Shape), input.DataType.WireName()));
        }
    }

    /// <summary>Notes a response's outputs as the model made them, before they are placed.</summary>
    public static void NoteOutputs(InferRequest request, RequestTrace trace)
    {
        foreach (ref readonly var output in request.Outputs)
        {
            var bytes = TensorPlacement.CopyStart(request, in output, MostBytes);
            trace.Add(new TraceTensor(
                "TENSOR_BACKEND_OUTPUT", request.Settings!.Outputs[output.Index].Name,
                Print(output.DataType, bytes, bytes.Length < output.Length), Join(output.Shape), output.DataType.WireName()));
        }
    }

    /// <summary>Prints elements with commas between them; <c>...</c> at the end when some were left out.</summary>
    internal static string Print(DataType type, ReadOnlySpan<byte> data, bool isCut)
    {
        var text = type switch
        {
            DataType.Bool => Join<byte>(data, value => value != 0 ? "true" : "false"),
            DataType.UInt8 => Join<byte>(data),
            DataType.UInt16 => Join<ushort>(data),
            DataType.UInt32 => Join<uint>(data),
            DataType.UInt64 => Join<ulong>(data),
            DataType.Int8 => Join<sbyte>(data),
            DataType.Int16 => Join<short>(data),
            DataType.Int32 => Join<int>(data),
            DataType.Int64 => Join<long>(data),
            DataType.Fp16 => Join<Half>(data),
            DataType.Bf16 => Join<ushort>(data, value => Number(BitConverter.UInt32BitsToSingle((uint)value << 16))),
            DataType.Fp32 => Join<float>(data),
            DataType.Fp64 => Join<double>(data),
            DataType.Bytes => Strings(data),
            _ => "",
        };
        return isCut ? text + ",..." : text;
    }

    private static string Join(Shape shape)
    {
        var text = new StringBuilder();
        foreach (var dimension in shape.Dimensions)
            text.Append(text.Length > 0 ? "," : "").Append(dimension.ToString(CultureInfo.InvariantCulture));
        return text.ToString();
    }

    private static string Join<T>(ReadOnlySpan<byte> data, Func<T, string>? print = null)
        where T : unmanaged, IFormattable
    {
        print ??= Number;
        var text = new StringBuilder();
        foreach (var value in MemoryMarshal.Cast<byte, T>(data))
            text.Append(text.Length > 0 ? "," : "").Append(print(value));
        return text.ToString();
    }

    private static string Strings(ReadOnlySpan<byte> data)
    {
        var text = new StringBuilder();
        while (data.Length >= sizeof(uint))
        {
            var length = (int)Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(data), (uint)(data.Length - sizeof(uint)));
            text.Append(text.Length > 0 ? "," : "").Append('"').Append(Encoding.UTF8.GetString(data.Slice(sizeof(uint), length))).Append('"');
            data = data[(sizeof(uint) + length)..];
        }

        return text.ToString();
    }

    private static string Number<T>(T value)
        where T : IFormattable => value.ToString(null, CultureInfo.InvariantCulture);
}
