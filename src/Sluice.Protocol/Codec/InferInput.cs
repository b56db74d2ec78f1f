using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Sluice.Tensors;

namespace Sluice.Protocol.Codec;

/// <summary>One input tensor of a request that a client sends.</summary>
/// <remarks><b>Ownership.</b> <c>Create</c> copies the elements; <c>Wrap</c> borrows them until the call has ended.</remarks>
public sealed class InferInput
{
    private InferInput(string name, DataType dataType, Shape shape, ReadOnlyMemory<byte> data)
    {
        Name = name;
        DataType = dataType;
        Shape = shape;
        Data = data;
    }

    /// <summary>The input's name.</summary>
    public string Name { get; }

    /// <summary>Type of its elements.</summary>
    public DataType DataType { get; }

    /// <summary>Its dimensions, the batch's included.</summary>
    public Shape Shape { get; }

    /// <summary>The elements in the protocol's raw form: little-endian, row-major.</summary>
    public ReadOnlyMemory<byte> Data { get; }

    /// <summary>Makes an input from a copy of elements.</summary>
    /// <param name="name">The input's name.</param>
    /// <param name="elements">Row-major.</param>
    /// <param name="shape">Dimensions; the server says so when they do not fit the elements.</param>
    public static InferInput Create<T>(string name, ReadOnlySpan<T> elements, params ReadOnlySpan<long> shape)
        where T : unmanaged =>
        new(name, ElementTypes.Of<T>(), Shape.Create(shape), MemoryMarshal.AsBytes(elements).ToArray());

    /// <summary>Makes an input from the caller's own elements without copying them.</summary>
    /// <param name="name">The input's name.</param>
    /// <param name="elements">Row-major; borrowed until the call has ended.</param>
    /// <param name="shape">Dimensions.</param>
    public static InferInput Wrap<T>(string name, ReadOnlyMemory<T> elements, params ReadOnlySpan<long> shape)
        where T : unmanaged =>
        new(name, ElementTypes.Of<T>(), Shape.Create(shape), ElementMemory.AsBytes(elements));

    /// <summary>Makes an input from bytes in the protocol's raw form, such as BF16 has no .NET type for.</summary>
    /// <param name="name">The input's name.</param>
    /// <param name="dataType">Type of the elements.</param>
    /// <param name="data">Borrowed until the call has ended.</param>
    /// <param name="shape">Dimensions.</param>
    public static InferInput WrapRaw(
        string name, DataType dataType, ReadOnlyMemory<byte> data, params ReadOnlySpan<long> shape) =>
        new(name, dataType, Shape.Create(shape), data);

    /// <summary>Makes a BYTES input from texts, as UTF-8.</summary>
    /// <param name="name">The input's name.</param>
    /// <param name="texts">Row-major.</param>
    /// <param name="shape">Dimensions.</param>
    public static InferInput CreateStrings(string name, ReadOnlySpan<string> texts, params ReadOnlySpan<long> shape)
    {
        var length = 0;
        foreach (var text in texts)
            length = checked(length + sizeof(int) + Encoding.UTF8.GetByteCount(text));
        var data = new byte[length];
        var rest = data.AsSpan();
        foreach (var text in texts)
        {
            var written = Encoding.UTF8.GetBytes(text, rest[sizeof(int)..]);
            BinaryPrimitives.WriteInt32LittleEndian(rest, written);
            rest = rest[(sizeof(int) + written)..];
        }

        return new InferInput(name, DataType.Bytes, Shape.Create(shape), data);
    }
}
