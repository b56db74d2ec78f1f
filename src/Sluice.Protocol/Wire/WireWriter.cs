using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Sluice.Protocol.Wire;

/// <summary>Writes protobuf fields into a buffer writer; small fields never straddle a request for memory.</summary>
/// <remarks><b>Ownership.</b> Call <see cref="Flush"/> at the end: bytes count as written only then.</remarks>
public ref struct WireWriter
{
    private const int Chunk = 512;
    private const int LongestVarint = 10;

    private readonly IBufferWriter<byte> _output;
    private Span<byte> _span;
    private int _index;

    /// <summary>Begins at the writer's current position.</summary>
    /// <param name="output">Where the bytes go.</param>
    /// <param name="sizeHint">Bytes that will be written at least.</param>
    public WireWriter(IBufferWriter<byte> output, int sizeHint = Chunk)
    {
        _output = output;
        _span = output.GetSpan(Math.Clamp(sizeHint, LongestVarint, Chunk));
    }

    /// <summary>Returns the bytes that a varint takes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int VarintSize(ulong value) => ((BitOperations.Log2(value | 1) * 9) + 73) >> 6;

    /// <summary>Returns the bytes of a length-delimited field with a one-byte tag.</summary>
    public static int FieldSize(int length) => 1 + VarintSize((ulong)length) + length;

    /// <summary>Writes a single byte, such as a tag of a field below 16.</summary>
    public void WriteByte(byte value)
    {
        Reserve(1);
        _span[_index++] = value;
    }

    /// <summary>Writes a base-128 number.</summary>
    public void WriteVarint(ulong value)
    {
        Reserve(LongestVarint);
        while (value >= 0x80)
        {
            _span[_index++] = (byte)(value | 0x80);
            value >>= 7;
        }

        _span[_index++] = (byte)value;
    }

    /// <summary>Writes bytes as they are.</summary>
    public void WriteRaw(scoped ReadOnlySpan<byte> bytes)
    {
        while (true)
        {
            var fits = Math.Min(bytes.Length, _span.Length - _index);
            bytes[..fits].CopyTo(_span[_index..]);
            _index += fits;
            bytes = bytes[fits..];
            if (bytes.IsEmpty)
                return;
            Refill(1);
        }
    }

    /// <summary>Writes a length-delimited field.</summary>
    /// <param name="tag">The field's one-byte tag.</param>
    /// <param name="bytes">The value.</param>
    public void WriteField(byte tag, scoped ReadOnlySpan<byte> bytes)
    {
        WriteByte(tag);
        WriteVarint((ulong)bytes.Length);
        WriteRaw(bytes);
    }

    /// <summary>Writes a length-delimited field unless it is empty, as proto3 does.</summary>
    public void WriteFieldIfAny(byte tag, scoped ReadOnlySpan<byte> bytes)
    {
        if (!bytes.IsEmpty)
            WriteField(tag, bytes);
    }

    /// <summary>Makes everything so far count as written.</summary>
    public void Flush()
    {
        _output.Advance(_index);
        _span = default;
        _index = 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Reserve(int count)
    {
        if (_span.Length - _index < count)
            Refill(count);
    }

    private void Refill(int count)
    {
        _output.Advance(_index);
        _index = 0;
        _span = _output.GetSpan(Math.Max(count, LongestVarint));
    }
}
