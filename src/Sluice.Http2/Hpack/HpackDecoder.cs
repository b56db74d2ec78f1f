using System.Text;

namespace Sluice.Http2.Hpack;

/// <summary>Decodes header blocks of one connection (RFC 7541).</summary>
/// <remarks><b>Threads.</b> One; blocks must come in the order in which they were received.</remarks>
internal sealed class HpackDecoder(int tableSize)
{
    private readonly DynamicTable _table = new(tableSize);
    private char[] _text = new char[256];

    /// <summary>Changes whenever the same bytes may mean something else.</summary>
    public int Generation => _table.Generation;

    /// <summary>Decodes a whole block.</summary>
    /// <param name="block">All fragments of the block.</param>
    /// <param name="headers">Receives the fields; it keeps count of its own bound, and the block is decoded to its end even
    /// past it, so that the table stays right.</param>
    /// <exception cref="HpackException">The block is broken; the connection must end.</exception>
    public void Decode(ReadOnlySpan<byte> block, HeaderList headers)
    {
        var isStart = true;
        while (!block.IsEmpty)
        {
            var first = block[0];
            if ((first & 0x80) != 0)
            {
                headers.Add(Lookup(ReadInteger(ref block, 7)));
            }
            else if ((first & 0x40) != 0)
            {
                var field = ReadLiteral(ref block, 6);
                _table.Add(field);
                headers.Add(field);
            }
            else if ((first & 0x20) != 0)
            {
                Resize(ReadInteger(ref block, 5), isStart);
                continue;
            }
            else
            {
                headers.Add(ReadLiteral(ref block, 4));
            }

            isStart = false;
        }
    }

    private void Resize(int size, bool isStart)
    {
        if (!isStart)
            throw new HpackException("a table size update stands behind a field");
        if (size > _table.Limit)
            throw new HpackException($"a table size of {size} is above the limit of {_table.Limit}");
        _table.Resize(size);
    }

    private HeaderField Lookup(int index)
    {
        if (index == 0)
            throw new HpackException("index 0 names no field");
        if (index <= StaticTable.Length)
            return StaticTable.Get(index);
        var position = index - StaticTable.Length - 1;
        return position < _table.Count
            ? _table.Get(position)
            : throw new HpackException($"index {index} is beyond the table of {_table.Count} entries");
    }

    private HeaderField ReadLiteral(ref ReadOnlySpan<byte> block, int prefixBits)
    {
        var index = ReadInteger(ref block, prefixBits);
        var name = index == 0 ? ReadString(ref block) : Lookup(index).Name;
        return new HeaderField(name, ReadString(ref block));
    }

    private string ReadString(ref ReadOnlySpan<byte> block)
    {
        if (block.IsEmpty)
            throw new HpackException("the block ends before a string");
        var isHuffman = (block[0] & 0x80) != 0;
        var length = ReadInteger(ref block, 7);
        if (length > block.Length)
            throw new HpackException($"a string of {length} bytes does not fit the block");
        var bytes = block[..length];
        block = block[length..];
        if (!isHuffman)
            return Encoding.Latin1.GetString(bytes);
        var most = Huffman.MaxDecodedLength(length);
        if (_text.Length < most)
            _text = new char[Math.Max(most, _text.Length * 2)];
        return new string(_text, 0, Huffman.Decode(bytes, _text));
    }

    /// <summary>Reads an integer with a prefix (§5.1); more than 28 bits are refused.</summary>
    private static int ReadInteger(ref ReadOnlySpan<byte> block, int prefixBits)
    {
        var mask = (1 << prefixBits) - 1;
        var value = block[0] & mask;
        var position = 1;
        if (value == mask)
        {
            for (var shift = 0; ; shift += 7)
            {
                if (position == block.Length)
                    throw new HpackException("the block ends within an integer");
                if (shift > 21)
                    throw new HpackException("an integer is too large");
                var next = block[position++];
                value += (next & 0x7f) << shift;
                if ((next & 0x80) == 0)
                    break;
            }
        }

        block = block[position..];
        return value;
    }
}
