using System.Buffers.Binary;
using Sluice.Tensors;

namespace Sluice.Statistics.Sampling;

/// <summary>The values of one sampled call; used again by other calls.</summary>
/// <remarks>
/// <para>Values lie in one buffer as they came, each behind a head of eight bytes: number of the variable, type, length. What
/// they mean is found out by the consumer: a call pays for a copy and nothing else.</para>
/// <para><b>Threads.</b> Whoever has its place in the ring.</para>
/// </remarks>
internal sealed class SampleRecord
{
    /// <summary>Most bytes of all values of a call; a value that does not fit is left out and counted.</summary>
    public const int MostBytes = 4096;

    private const int HeadBytes = 8;
    private const int FirstBytes = 256;

    private byte[] _values = [];
    private int _length;

    /// <summary>One response of a call that is counted when it ends.</summary>
    public bool IsResponse { get; set; }

    /// <summary>Statistics of the code's own for Kafka, one JSON object; empty = none.</summary>
    public ReadOnlyMemory<byte> Custom { get; set; }

    /// <summary>Values that did not fit.</summary>
    public int TooLargeCount { get; private set; }

    /// <summary>Bodies that could not be read for variables.</summary>
    public int UnreadableCount { get; set; }

    /// <summary>All values.</summary>
    public SampleValues Values => new(_values.AsSpan(0, _length));

    /// <summary>Drops all of it, for the next call.</summary>
    public void Clear()
    {
        Custom = default;
        IsResponse = false;
        _length = TooLargeCount = UnreadableCount = 0;
    }

    /// <summary>Adds a JSON value.</summary>
    public void AddJson(int variable, ReadOnlySpan<byte> json)
    {
        var room = Add(variable, DataType.Invalid, json.Length);
        if (!room.IsEmpty)
            json.CopyTo(room);
    }

    /// <summary>Adds a tensor's elements.</summary>
    /// <returns>Room for the bytes, which the caller fills; empty when they do not fit.</returns>
    public Span<byte> AddTensor(int variable, DataType type, long length) => Add(variable, type, length);

    private Span<byte> Add(int variable, DataType type, long length)
    {
        if (length > MostBytes - HeadBytes - _length)
        {
            TooLargeCount++;
            return default;
        }

        var needed = _length + HeadBytes + (int)length;
        if (_values.Length < needed)
            Array.Resize(ref _values, Math.Max(FirstBytes, Math.Min(MostBytes, needed * 2)));
        var head = _values.AsSpan(_length);
        BinaryPrimitives.WriteUInt16LittleEndian(head, (ushort)variable);
        BinaryPrimitives.WriteUInt16LittleEndian(head[2..], (ushort)type);
        BinaryPrimitives.WriteInt32LittleEndian(head[4..], (int)length);
        _length = needed;
        return head.Slice(HeadBytes, (int)length);
    }

    /// <summary>Walks over a record's values.</summary>
    public ref struct SampleValues(ReadOnlySpan<byte> values)
    {
        private ReadOnlySpan<byte> _rest = values;

        /// <summary>Number of the variable in the plan.</summary>
        public int Variable { get; private set; }

        /// <summary>The tensor's type; <see cref="DataType.Invalid"/> for JSON.</summary>
        public DataType Type { get; private set; }

        /// <summary>The value's bytes.</summary>
        public ReadOnlySpan<byte> Bytes { get; private set; }

        /// <summary>Goes to the next value.</summary>
        public bool MoveNext()
        {
            if (_rest.IsEmpty)
                return false;
            Variable = BinaryPrimitives.ReadUInt16LittleEndian(_rest);
            Type = (DataType)BinaryPrimitives.ReadUInt16LittleEndian(_rest[2..]);
            var length = BinaryPrimitives.ReadInt32LittleEndian(_rest[4..]);
            Bytes = _rest.Slice(HeadBytes, length);
            _rest = _rest[(HeadBytes + length)..];
            return true;
        }
    }
}
