using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Sluice.Scheduling.Cache;

/// <summary>Sums up any number of bytes in 128 bits, quickly.</summary>
/// <remarks>
/// <para>Two lanes of multiply-and-fold, 32 bytes a step, keyed with numbers that each process draws anew, so that nobody outside can
/// prepare collisions. It only finds candidates: whoever uses it compares the bytes themselves as well.</para>
/// <para>How the bytes are cut into pieces makes no difference.</para>
/// </remarks>
internal struct CacheHash
{
    private const int BlockBytes = 32;

    private static readonly ulong[] Keys = DrawKeys();

    private ulong _left;
    private ulong _right;
    private ulong _length;
    private Pending _pending;
    private int _pendingCount;

    /// <summary>Begins with nothing.</summary>
    public static CacheHash Create() => new() { _left = Keys[4], _right = Keys[5] };

    /// <summary>Adds bytes.</summary>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        _length += (ulong)bytes.Length;
        Span<byte> pending = _pending;
        if (_pendingCount > 0)
        {
            var taken = Math.Min(BlockBytes - _pendingCount, bytes.Length);
            bytes[..taken].CopyTo(pending[_pendingCount..]);
            _pendingCount += taken;
            bytes = bytes[taken..];
            if (_pendingCount < BlockBytes)
                return;
            AddBlock(pending);
            _pendingCount = 0;
        }

        for (; bytes.Length >= BlockBytes; bytes = bytes[BlockBytes..])
            AddBlock(bytes);
        bytes.CopyTo(pending);
        _pendingCount = bytes.Length;
    }

    /// <summary>Returns the sum of everything added.</summary>
    public UInt128 Finish()
    {
        Span<byte> pending = _pending;
        pending[_pendingCount..].Clear();
        AddBlock(pending);
        var left = Fold(_left ^ _length, _right ^ Keys[0]);
        var right = Fold(_right ^ Keys[1], _left ^ _length ^ Keys[2]);
        return new UInt128(Fold(left, Keys[3] ^ right), Fold(right ^ Keys[2], left ^ Keys[1]));
    }

    private void AddBlock(ReadOnlySpan<byte> block)
    {
        _left = Fold(Word(block, 0) ^ Keys[0], Word(block, 1) ^ _left ^ Keys[1]);
        _right = Fold(Word(block, 2) ^ Keys[2], Word(block, 3) ^ _right ^ Keys[3]) + _left;
    }

    private static ulong Word(ReadOnlySpan<byte> block, int index) => BinaryPrimitives.ReadUInt64LittleEndian(block[(8 * index)..]);

    private static ulong Fold(ulong a, ulong b)
    {
        var high = Math.BigMul(a, b, out var low);
        return high ^ low ^ a;
    }

    private static ulong[] DrawKeys()
    {
        var keys = new ulong[6];
        RandomNumberGenerator.Fill(System.Runtime.InteropServices.MemoryMarshal.AsBytes(keys.AsSpan()));
        return keys;
    }

    [System.Runtime.CompilerServices.InlineArray(BlockBytes)]
    private struct Pending
    {
        private byte _first;
    }
}
