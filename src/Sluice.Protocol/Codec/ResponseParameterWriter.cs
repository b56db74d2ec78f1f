using System.Buffers.Binary;
using System.Text;
using Sluice.Inference;
using Sluice.Protocol.Wire;

namespace Sluice.Protocol.Codec;

/// <summary>Writes a model's response parameters as entries of <c>map&lt;string, InferParameter&gt; parameters = 4</c>.</summary>
/// <remarks>Grammar as <see cref="InferParameterReader"/> reads it.</remarks>
internal static class ResponseParameterWriter
{
    private const byte TagEntry = 0x22;
    private const byte TagKey = 0x0A;
    private const byte TagValue = 0x12;
    private const byte TagBool = 0x08;
    private const byte TagInt64 = 0x10;
    private const byte TagString = 0x1A;
    private const byte TagDouble = 0x21;
    private const byte TagUInt64 = 0x28;

    public static int Measure(ReadOnlySpan<ResponseParameter> parameters)
    {
        var size = 0;
        foreach (ref readonly var parameter in parameters)
            size += WireWriter.FieldSize(MeasureEntry(in parameter));
        return size;
    }

    public static void Write(ref WireWriter writer, ReadOnlySpan<ResponseParameter> parameters)
    {
        foreach (ref readonly var parameter in parameters)
        {
            writer.WriteByte(TagEntry);
            writer.WriteVarint((ulong)MeasureEntry(in parameter));
            WriteText(ref writer, TagKey, parameter.Key);
            writer.WriteByte(TagValue);
            writer.WriteVarint((ulong)MeasureValue(in parameter));
            WriteValue(ref writer, in parameter);
        }
    }

    private static int MeasureEntry(in ResponseParameter parameter) =>
        MeasureText(parameter.Key) + WireWriter.FieldSize(MeasureValue(in parameter));

    private static int MeasureValue(in ResponseParameter parameter) => parameter.Kind switch
    {
        ParameterKind.String => MeasureText(parameter.Text),
        ParameterKind.Double => 1 + sizeof(double),
        _ => 1 + WireWriter.VarintSize((ulong)parameter.Bits),
    };

    private static int MeasureText(string text) => WireWriter.FieldSize(Encoding.UTF8.GetByteCount(text));

    private static void WriteValue(ref WireWriter writer, in ResponseParameter parameter)
    {
        switch (parameter.Kind)
        {
            case ParameterKind.String:
                WriteText(ref writer, TagString, parameter.Text);
                break;
            case ParameterKind.Double:
                Span<byte> bits = stackalloc byte[sizeof(double)];
                BinaryPrimitives.WriteInt64LittleEndian(bits, parameter.Bits);
                writer.WriteByte(TagDouble);
                writer.WriteRaw(bits);
                break;
            default:
                writer.WriteByte(
                    parameter.Kind == ParameterKind.Bool ? TagBool : parameter.Kind == ParameterKind.Int64 ? TagInt64 : TagUInt64);
                writer.WriteVarint((ulong)parameter.Bits);
                break;
        }
    }

    private static void WriteText(ref WireWriter writer, byte tag, string text)
    {
        const int MaxOnStack = 256;
        var length = Encoding.UTF8.GetByteCount(text);
        Span<byte> utf8 = length <= MaxOnStack ? stackalloc byte[MaxOnStack] : new byte[length];
        writer.WriteField(tag, utf8[..Encoding.UTF8.GetBytes(text, utf8)]);
    }
}
