namespace Sluice.Http2.Hpack;

/// <summary>HPACK's Huffman code (RFC 7541, appendix B).</summary>
/// <remarks>
/// The code is canonical: sorted by length and then by symbol, each code is the one before plus one. So the lengths are the
/// whole table, and a code of n bits is found by comparing with the first code of each length.
/// </remarks>
internal static class Huffman
{
    private const int EndOfString = 256;
    private const int MaxBits = 30;
    private const int FastBits = 9;

    // First code of each length, left-aligned in 32 bits, and where its symbols begin in Symbols.
    private static readonly uint[] FirstCode = new uint[MaxBits + 2];
    private static readonly int[] FirstSymbol = new int[MaxBits + 2];
    private static readonly short[] Symbols = new short[257];

    // For the next nine bits: symbol << 4 | length when the code is that short, else 0.
    private static readonly short[] Fast = new short[1 << FastBits];

    static Huffman()
    {
        uint code = 0;
        var next = 0;
        for (var length = 1; length <= MaxBits; length++)
        {
            FirstCode[length] = code << (32 - length);
            FirstSymbol[length] = next;
            for (var symbol = 0; symbol < Lengths.Length; symbol++)
            {
                if (Lengths[symbol] != length)
                    continue;
                Symbols[next++] = (short)symbol;
                FillFast(code, length, symbol);
                code++;
            }

            code <<= 1;
        }
    }

    /// <summary>Bits of each symbol's code; the last is the end of string.</summary>
    public static ReadOnlySpan<byte> Lengths =>
    [
        13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
        28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
        6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
        5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
        13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
        7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
        15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
        6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
        20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
        24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
        22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
        21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
        26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
        19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
        20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
        26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
        30,
    ];

    /// <summary>Most characters that so many bytes can decode to: no code is shorter than five bits.</summary>
    public static int MaxDecodedLength(int encodedLength) => (int)(encodedLength * 8L / 5);

    /// <summary>Decodes a string.</summary>
    /// <param name="encoded">The whole string with its padding.</param>
    /// <param name="destination">At least <see cref="MaxDecodedLength"/> characters.</param>
    /// <returns>Characters written.</returns>
    /// <exception cref="HpackException">Padding longer than seven bits or not of ones, or an end of string (§5.2).</exception>
    public static int Decode(ReadOnlySpan<byte> encoded, Span<char> destination)
    {
        ulong bits = 0; // left-aligned
        var count = 0;
        var position = 0;
        var written = 0;
        while (true)
        {
            while (count <= 56 && position < encoded.Length)
            {
                bits |= (ulong)encoded[position++] << (56 - count);
                count += 8;
            }

            if (count == 0)
                return written;
            var symbol = Match((uint)(bits >> 32), out var length);
            if (length > count)
            {
                // What is left is padding: the beginning of the longest code, which is all ones.
                if (count > 7 || bits >> (64 - count) != (1UL << count) - 1)
                    throw new HpackException("a Huffman string ends with wrong padding");
                return written;
            }

            if (symbol == EndOfString)
                throw new HpackException("a Huffman string contains the end of string");
            destination[written++] = (char)symbol;
            bits <<= length;
            count -= length;
        }
    }

    private static int Match(uint bits, out int length)
    {
        var fast = Fast[bits >> (32 - FastBits)];
        if (fast != 0)
        {
            length = fast & 15;
            return fast >> 4;
        }

        for (length = FastBits + 1; length < MaxBits && bits >= FirstCode[length + 1]; length++)
        {
        }

        return Symbols[FirstSymbol[length] + (int)((bits - FirstCode[length]) >> (32 - length))];
    }

    private static void FillFast(uint code, int length, int symbol)
    {
        if (length > FastBits)
            return;
        var first = code << (FastBits - length);
        for (var i = 0u; i < 1u << (FastBits - length); i++)
            Fast[first + i] = (short)((symbol << 4) | length);
    }
}
