using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Rest.Json;

/// <summary>Reads a tensor's <c>data</c>, a nested or flat row-major array, into a pooled buffer.</summary>
/// <remarks>
/// Integers are never read through floating point. Floating point values that JSON cannot write come as the strings
/// <c>"NaN"</c>, <c>"Infinity"</c> and <c>"-Infinity"</c>, as in protobuf's JSON mapping, or as <see cref="BareWords"/>.
/// </remarks>
internal static class TensorJsonReader
{
    private const int LengthPrefix = 4;
    private const int FirstStringBytes = 4096;

    /// <summary>Reads the array that the reader stands on.</summary>
    /// <param name="reader">Stands on the array's start; on its end afterwards.</param>
    /// <param name="bytesLeft">Bytes of JSON from here on: no element takes less than two of them.</param>
    /// <param name="request">For names.</param>
    /// <param name="input">Has a type and a shape; gets its data, and owns the buffer.</param>
    /// <param name="pool">Where the buffer comes from.</param>
    public static void Read(
        ref Utf8JsonReader reader, long bytesLeft, InferRequest request, ref InputTensor input, TensorBufferPool pool)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw JsonTokens.Mistyped("data", JsonTokenType.StartArray);
        RefuseHalves(request, in input);
        if (!input.Shape.TryGetElementCount(out var count))
            throw InferenceException.Invalid(
                $"input '{request.TextString(input.Name)}' shape {input.Shape} causes total element count to exceed maximum size " +
                $"of {long.MaxValue}");

        // A shape that promises more than the text can hold is refused before anything is rented for it.
        if (count > (bytesLeft / 2) + 1)
            throw ShapeMismatch(request, in input);
        if (input.DataType == DataType.Bytes)
            ReadStrings(ref reader, (int)count, request, ref input, pool);
        else
            ReadNumbers(ref reader, (int)count, request, ref input, pool);
        input.Data = new(input.Owned!.Memory);
        input.HasData = true;
    }

    /// <summary>Reads a tensor of one element from the value that the reader stands on.</summary>
    public static void ReadScalar(ref Utf8JsonReader reader, InferRequest request, ref InputTensor input, TensorBufferPool pool)
    {
        RefuseHalves(request, in input);
        if (input.DataType == DataType.Bytes)
        {
            var most = reader.HasValueSequence ? reader.ValueSequence.Length : reader.ValueSpan.Length;
            input.Owned = pool.Rent(LengthPrefix + checked((int)most));
            var length = reader.CopyString(input.Owned.GetSpan()[LengthPrefix..]);
            BinaryPrimitives.WriteInt32LittleEndian(input.Owned.GetSpan(), length);
            input.Owned.Shrink(LengthPrefix + length);
        }
        else
        {
            input.Owned = pool.Rent(input.DataType.ElementSize());
            if (!TryWrite(ref reader, input.DataType, input.Owned.GetSpan()))
                throw Unfit(ref reader, request, in input);
        }

        input.Data = new(input.Owned.Memory);
        input.HasData = true;
    }

    private static void RefuseHalves(InferRequest request, in InputTensor input)
    {
        if (input.DataType is DataType.Fp16 or DataType.Bf16)
            throw InferenceException.Invalid(
                $"receiving {input.DataType.WireName()} data via JSON is not supported. Please use the binary data format for " +
                $"input '{request.TextString(input.Name)}'");
    }

    private static void ReadNumbers(
        ref Utf8JsonReader reader, int count, InferRequest request, ref InputTensor input, TensorBufferPool pool)
    {
        var type = input.DataType;
        var size = type.ElementSize();
        if ((long)count * size > Array.MaxLength)
            throw new InferenceException(
                InferenceCode.ResourceExhausted,
                $"input '{request.TextString(input.Name)}' has {(long)count * size} bytes, more than {Array.MaxLength}");
        input.Owned = pool.Rent(count * size);
        var rest = input.Owned.GetSpan();
        var depth = reader.CurrentDepth;
        while (TryNextElement(ref reader, depth))
        {
            if (rest.Length < size || size == 0)
                throw ShapeMismatch(request, in input);
            if (!TryWrite(ref reader, type, rest))
                throw Unfit(ref reader, request, in input);
            rest = rest[size..];
        }

        if (!rest.IsEmpty)
            throw ShapeMismatch(request, in input);
    }

    private static void ReadStrings(
        ref Utf8JsonReader reader, int count, InferRequest request, ref InputTensor input, TensorBufferPool pool)
    {
        var written = 0;
        var buffer = input.Owned = pool.Rent(FirstStringBytes);
        var depth = reader.CurrentDepth;
        var elements = 0;
        while (TryNextElement(ref reader, depth))
        {
            if (elements++ == count)
                throw ShapeMismatch(request, in input);
            if (reader.TokenType != JsonTokenType.String || BareWords.TryRead(in reader, out _))
                throw Unfit(ref reader, request, in input);
            var most = reader.HasValueSequence ? reader.ValueSequence.Length : reader.ValueSpan.Length;
            if (buffer.Length - written - LengthPrefix < most)
                buffer = Enlarge(ref input, written, LengthPrefix + most, pool);
            var target = buffer.GetSpan()[written..];
            var length = reader.CopyString(target[LengthPrefix..]);
            BinaryPrimitives.WriteInt32LittleEndian(target, length);
            written += LengthPrefix + length;
        }

        if (elements != count)
            throw ShapeMismatch(request, in input);
        buffer.Shrink(written);
    }

    private static TensorBuffer Enlarge(ref InputTensor input, int written, long more, TensorBufferPool pool)
    {
        var old = input.Owned!;
        var larger = pool.Rent((int)Math.Min(Math.Max(2L * old.Length, written + more), Array.MaxLength));
        old.GetSpan()[..written].CopyTo(larger.GetSpan());
        old.Dispose();
        input.Owned = larger;
        return larger;
    }

    /// <summary>Goes to the next element at whatever depth; false at the end of the outermost array.</summary>
    private static bool TryNextElement(ref Utf8JsonReader reader, int depth)
    {
        while (true)
        {
            switch (JsonTokens.Next(ref reader))
            {
                case JsonTokenType.StartArray:
                    break;
                case JsonTokenType.EndArray:
                    if (reader.CurrentDepth == depth)
                        return false;
                    break;
                default:
                    return true;
            }
        }
    }

    private static bool TryWrite(ref Utf8JsonReader reader, DataType type, Span<byte> target)
    {
        if (reader.TokenType != JsonTokenType.Number)
            return TryWriteWord(ref reader, type, target);
        switch (type)
        {
            case DataType.Fp32:
                return reader.TryGetSingle(out var single) && float.IsFinite(single) && Store(target, single);
            case DataType.Fp64:
                return reader.TryGetDouble(out var real) && double.IsFinite(real) && Store(target, real);
            case DataType.Int64:
                return reader.TryGetInt64(out var int64) && Store(target, int64);
            case DataType.Int32:
                return reader.TryGetInt32(out var int32) && Store(target, int32);
            case DataType.Int16:
                return reader.TryGetInt16(out var int16) && Store(target, int16);
            case DataType.Int8:
                return reader.TryGetSByte(out var int8) && Store(target, int8);
            case DataType.UInt64:
                return reader.TryGetUInt64(out var uint64) && Store(target, uint64);
            case DataType.UInt32:
                return reader.TryGetUInt32(out var uint32) && Store(target, uint32);
            case DataType.UInt16:
                return reader.TryGetUInt16(out var uint16) && Store(target, uint16);
            case DataType.UInt8:
                return reader.TryGetByte(out var uint8) && Store(target, uint8);
            case DataType.Bool:
                return reader.TryGetByte(out var bit) && bit <= 1 && Store(target, bit);
            default:
                return false;
        }
    }

    private static bool TryWriteWord(ref Utf8JsonReader reader, DataType type, Span<byte> target)
    {
        if (type == DataType.Bool && reader.TokenType is JsonTokenType.True or JsonTokenType.False)
            return Store(target, (byte)(reader.TokenType == JsonTokenType.True ? 1 : 0));
        if (reader.TokenType != JsonTokenType.String || type is not (DataType.Fp32 or DataType.Fp64))
            return false;
        double value;
        if (reader.ValueTextEquals("NaN"u8))
            value = double.NaN;
        else if (reader.ValueTextEquals("Infinity"u8))
            value = double.PositiveInfinity;
        else if (reader.ValueTextEquals("-Infinity"u8))
            value = double.NegativeInfinity;
        else
            return false;
        return type == DataType.Fp32 ? Store(target, (float)value) : Store(target, value);
    }

    private static bool Store<T>(Span<byte> target, T value)
        where T : unmanaged
    {
        MemoryMarshal.Write(target, in value);
        return true;
    }

    private static InferenceException Unfit(ref Utf8JsonReader reader, InferRequest request, in InputTensor input) =>
        InferenceException.Invalid(
            $"Unable to parse 'data': input '{request.TextString(input.Name)}': {JsonTokens.Quote(ref reader)} is no value of " +
            $"type {input.DataType.WireName()}{Range(input.DataType)}");

    private static string Range(DataType type) => type switch
    {
        DataType.Int8 => " (-128 to 127)",
        DataType.Int16 => " (-32768 to 32767)",
        DataType.Int32 => " (-2147483648 to 2147483647)",
        DataType.Int64 => " (-9223372036854775808 to 9223372036854775807)",
        DataType.UInt8 => " (0 to 255)",
        DataType.UInt16 => " (0 to 65535)",
        DataType.UInt32 => " (0 to 4294967295)",
        DataType.UInt64 => " (0 to 18446744073709551615)",
        DataType.Bool => " (true or false)",
        _ => "",
    };

    private static InferenceException ShapeMismatch(InferRequest request, in InputTensor input) =>
        InferenceException.Invalid(
            $"Unable to parse 'data': shape does not match true shape of 'data' field of input " +
            $"'{request.TextString(input.Name)}', {input.Shape}");
}
