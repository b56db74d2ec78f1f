using System.Text;

namespace Sluice.Backends.OnnxRuntime.Tests;

/// <summary>Writes tiny ONNX files: nodes, inputs and outputs, by the field numbers of onnx.proto.</summary>
internal sealed class OnnxFile
{
    private readonly List<byte> _graph = [];

    public static byte[] Field(int number, byte[] bytes) =>
        [.. Varint((ulong)(number << 3) | 2), .. Varint((ulong)bytes.Length), .. bytes];

    public static byte[] Field(int number, string text) => Field(number, Encoding.UTF8.GetBytes(text));

    public static byte[] Field(int number, long value) => [.. Varint((ulong)number << 3), .. Varint((ulong)value)];

    /// <summary>A dimension is a <c>long</c>, a name, or null for one of neither.</summary>
    public static byte[] TensorType(int element, params object?[]? dims)
    {
        if (dims is null) return Field(1, Field(1, element));
        byte[] shape = [.. dims.SelectMany(dim => Field(1, dim switch
        {
            long number => Field(1, number),
            string name => Field(2, name),
            _ => [],
        }))];
        return Field(1, [.. Field(1, element), .. Field(2, shape)]);
    }

    public static byte[] SequenceType(byte[] element) => Field(4, Field(1, element));

    public static byte[] Value(string name, byte[] type) => [.. Field(1, name), .. Field(2, type)];

    public static byte[] NodeOf(string op, string[] inputs, string[] outputs, params byte[][] attributes) =>
    [
        .. inputs.SelectMany(name => Field(1, name)),
        .. outputs.SelectMany(name => Field(2, name)),
        .. Field(4, op),
        .. attributes.SelectMany(attribute => Field(5, attribute)),
    ];

    public OnnxFile Node(string op, string[] inputs, string[] outputs, params byte[][] attributes) =>
        Add(1, NodeOf(op, inputs, outputs, attributes));

    public OnnxFile Input(string name, byte[] type) => Add(11, Value(name, type));

    public OnnxFile Output(string name, byte[] type) => Add(12, Value(name, type));

    /// <summary>An FP32 vector stored in the file; with an input of the same name it is that input's default.</summary>
    public OnnxFile Initializer(string name, params float[] values) =>
        Add(5, [.. Field(1, values.Length), .. Field(2, 1), .. Field(8, name), .. Field(9, values.SelectMany(BitConverter.GetBytes).ToArray())]);

    public byte[] ToBytes() =>
        [.. Field(1, 8), .. Field(8, Field(2, 13)), .. Field(7, [.. _graph, .. Field(2, "graph")])];

    private OnnxFile Add(int field, byte[] bytes)
    {
        _graph.AddRange(Field(field, bytes));
        return this;
    }

    private static IEnumerable<byte> Varint(ulong value)
    {
        for (; value >= 0x80; value >>= 7) yield return (byte)(value | 0x80);
        yield return (byte)value;
    }
}
