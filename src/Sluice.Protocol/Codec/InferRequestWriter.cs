using System.Buffers;
using System.Text;
using Google.Protobuf;
using Sluice.Protocol.Inference;
using Sluice.Protocol.Wire;
using Sluice.Tensors;

namespace Sluice.Protocol.Codec;

/// <summary>Writes a <c>ModelInferRequest</c>: the client's side of <see cref="InferRequestReader"/>.</summary>
/// <remarks>
/// <para>Grammar (spec §1.2): <c>1 model_name, 2 model_version, 3 id, 4 parameters, 5 inputs, 6 outputs,
/// 7 raw_input_contents</c>; input: <c>1 name, 2 datatype, 3 shape, 5 contents</c>; output: <c>1 name</c>.</para>
/// <para>Raw tensors stand at the end, so a sender can write the head, then each tensor from where it lies.</para>
/// </remarks>
public static class InferRequestWriter
{
    private const byte TagModelName = 0x0A;
    private const byte TagModelVersion = 0x12;
    private const byte TagId = 0x1A;
    private const byte TagParameter = 0x22;
    private const byte TagInput = 0x2A;
    private const byte TagOutput = 0x32;
    private const byte TagRawContent = 0x3A;
    private const byte TagName = 0x0A;
    private const byte TagDataType = 0x12;
    private const byte TagShape = 0x1A;
    private const byte TagContents = 0x2A;
    private const byte TagKey = 0x0A;
    private const byte TagValue = 0x12;
    private const int SmallText = 256;

    /// <summary>Returns the size of the message, bytes; may exceed what gRPC can carry.</summary>
    public static long Measure(InferRequestMessage request)
    {
        var size = MeasureHead(request);
        if (request.UsesTypedContents)
            return size;
        foreach (var input in request.Inputs)
            size += MeasureRawHead(input.Data.Length) + input.Data.Length;
        return size;
    }

    /// <summary>Returns the size of everything but the raw contents.</summary>
    public static long MeasureHead(InferRequestMessage request)
    {
        long size = TextIfAny(request.ModelName) + TextIfAny(request.ModelVersion) + TextIfAny(request.Id);
        if (request.Parameters is not null)
        {
            foreach (var (key, value) in request.Parameters)
                size += WireWriter.FieldSize(MeasureParameter(key, value));
        }

        foreach (var input in request.Inputs)
            size += WireWriter.FieldSize(MeasureInput(input, request.UsesTypedContents));
        foreach (var output in request.Outputs)
            size += WireWriter.FieldSize(TextIfAny(output));
        return size;
    }

    /// <summary>Returns the bytes that stand before a tensor's raw bytes.</summary>
    public static int MeasureRawHead(int length) => 1 + WireWriter.VarintSize((ulong)length);

    /// <summary>Writes the whole message.</summary>
    public static void Write(IBufferWriter<byte> destination, InferRequestMessage request)
    {
        WriteHead(destination, request);
        if (request.UsesTypedContents)
            return;
        foreach (var input in request.Inputs)
        {
            WriteRawHead(destination, input.Data.Length);
            destination.Write(input.Data.Span);
        }
    }

    /// <summary>Writes everything but the raw contents.</summary>
    public static void WriteHead(IBufferWriter<byte> destination, InferRequestMessage request)
    {
        var writer = new WireWriter(destination);
        WriteTextIfAny(ref writer, TagModelName, request.ModelName);
        WriteTextIfAny(ref writer, TagModelVersion, request.ModelVersion);
        WriteTextIfAny(ref writer, TagId, request.Id);
        if (request.Parameters is not null)
        {
            foreach (var (key, value) in request.Parameters)
                WriteParameter(ref writer, key, value);
        }

        foreach (var input in request.Inputs)
            WriteInput(ref writer, input, request.UsesTypedContents);
        foreach (var output in request.Outputs)
        {
            writer.WriteByte(TagOutput);
            writer.WriteVarint((ulong)TextIfAny(output));
            WriteTextIfAny(ref writer, TagName, output);
        }

        writer.Flush();
    }

    /// <summary>Writes what stands before one tensor's raw bytes.</summary>
    public static void WriteRawHead(IBufferWriter<byte> destination, int length)
    {
        var writer = new WireWriter(destination, 16);
        writer.WriteByte(TagRawContent);
        writer.WriteVarint((ulong)length);
        writer.Flush();
    }

    private static int TextIfAny(string text) =>
        text.Length == 0 ? 0 : WireWriter.FieldSize(Encoding.UTF8.GetByteCount(text));

    private static void WriteTextIfAny(ref WireWriter writer, byte tag, string text)
    {
        if (text.Length == 0)
            return;
        var longest = Encoding.UTF8.GetMaxByteCount(text.Length);
        var utf8 = longest <= SmallText ? stackalloc byte[SmallText] : new byte[longest];
        writer.WriteField(tag, utf8[..Encoding.UTF8.GetBytes(text, utf8)]);
    }

    private static int MeasureParameter(string key, InferParameter value) =>
        WireWriter.FieldSize(Encoding.UTF8.GetByteCount(key)) + WireWriter.FieldSize(value.CalculateSize());

    private static void WriteParameter(ref WireWriter writer, string key, InferParameter value)
    {
        writer.WriteByte(TagParameter);
        writer.WriteVarint((ulong)MeasureParameter(key, value));
        writer.WriteField(TagKey, Encoding.UTF8.GetBytes(key));
        writer.WriteField(TagValue, value.ToByteArray());
    }

    private static int MeasureInput(InferInput input, bool isTyped)
    {
        var dims = MeasureDims(input.Shape);
        return TextIfAny(input.Name) + WireWriter.FieldSize(input.DataType.WireNameUtf8().Length) +
            (dims == 0 ? 0 : WireWriter.FieldSize(dims)) +
            (isTyped ? WireWriter.FieldSize(TypedContentsWriter.Measure(input.DataType, input.Data.Span)) : 0);
    }

    private static int MeasureDims(Shape shape)
    {
        var size = 0;
        foreach (var dimension in shape.Dimensions)
            size += WireWriter.VarintSize((ulong)dimension);
        return size;
    }

    private static void WriteInput(ref WireWriter writer, InferInput input, bool isTyped)
    {
        var shape = input.Shape;
        var dims = MeasureDims(shape);
        writer.WriteByte(TagInput);
        writer.WriteVarint((ulong)MeasureInput(input, isTyped));
        WriteTextIfAny(ref writer, TagName, input.Name);
        writer.WriteField(TagDataType, input.DataType.WireNameUtf8());
        if (dims > 0)
        {
            writer.WriteByte(TagShape);
            writer.WriteVarint((ulong)dims);
            foreach (var dimension in shape.Dimensions)
                writer.WriteVarint((ulong)dimension);
        }

        if (!isTyped)
            return;
        writer.WriteByte(TagContents);
        writer.WriteVarint((ulong)TypedContentsWriter.Measure(input.DataType, input.Data.Span));
        TypedContentsWriter.Write(ref writer, input.DataType, input.Data.Span);
    }
}
