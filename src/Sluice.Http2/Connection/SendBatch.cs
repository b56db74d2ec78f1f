using System.Buffers;
using Sluice.Tensors;

namespace Sluice.Http2.Connection;

/// <summary>The bytes of the next write: frames copied together, and lent memory between them.</summary>
/// <remarks><b>Ownership.</b> Copied bytes lie in rented buffers, returned when all of the batch is sent. Lent memory stays
/// its owner's, who is told by <see cref="Http2Stream.LentSent"/>. <b>Threads.</b> The connection's turn.</remarks>
internal sealed class SendBatch(TensorBufferPool pool) : IBufferWriter<byte>
{
    private const int ChunkBytes = 64 * 1024;

    private readonly List<ReadOnlyMemory<byte>> _pieces = [];
    private readonly List<TensorBuffer> _chunks = [];
    private readonly List<Http2Stream> _lenders = [];
    private TensorBuffer? _chunk;
    private int _pieceStart;
    private int _filled;
    private int _firstPiece;

    /// <summary>Bytes that are not sent yet.</summary>
    public long Length { get; private set; }

    /// <summary>True when there is nothing to send.</summary>
    public bool IsEmpty => Length == 0;

    /// <summary>What is to be sent, in order.</summary>
    public ReadOnlySpan<ReadOnlyMemory<byte>> Pieces =>
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_pieces)[_firstPiece..];

    /// <inheritdoc/>
    public void Advance(int count)
    {
        _filled += count;
        Length += count;
    }

    /// <inheritdoc/>
    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        if (_chunk is null || _chunk.Length - _filled < Math.Max(1, sizeHint))
            NextChunk(sizeHint);
        return _chunk!.Memory[_filled..];
    }

    /// <inheritdoc/>
    public Span<byte> GetSpan(int sizeHint = 0)
    {
        if (_chunk is null || _chunk.Length - _filled < Math.Max(1, sizeHint))
            NextChunk(sizeHint);
        return _chunk!.GetSpan()[_filled..];
    }

    /// <summary>Copies bytes.</summary>
    public void Copy(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var span = GetSpan();
            var part = Math.Min(span.Length, bytes.Length);
            bytes[..part].CopyTo(span);
            Advance(part);
            bytes = bytes[part..];
        }
    }

    /// <summary>Adds memory that is sent from where it is.</summary>
    public void Lend(Http2Stream lender, ReadOnlyMemory<byte> memory)
    {
        ClosePiece();
        _pieces.Add(memory);
        Length += memory.Length;
        if (_lenders.Count == 0 || _lenders[^1] != lender)
        {
            lender.LentStaged();
            _lenders.Add(lender);
        }
    }

    /// <summary>Ends filling; <see cref="Pieces"/> are complete.</summary>
    public void ClosePiece()
    {
        if (_chunk is null || _filled == _pieceStart)
            return;
        _pieces.Add(_chunk.Memory[_pieceStart.._filled]);
        _pieceStart = _filled;
    }

    /// <summary>Counts bytes as sent; at the end memory is given back.</summary>
    public void Sent(long count)
    {
        Length -= count;
        while (count > 0)
        {
            var piece = _pieces[_firstPiece];
            if (piece.Length > count)
            {
                _pieces[_firstPiece] = piece[(int)count..];
                return;
            }

            count -= piece.Length;
            _firstPiece++;
        }

        if (Length == 0)
            Clear();
    }

    /// <summary>Drops everything; nothing will be sent.</summary>
    public void Clear()
    {
        Length = 0;
        _pieces.Clear();
        _firstPiece = 0;
        _chunk = null;
        _filled = _pieceStart = 0;
        foreach (var chunk in _chunks)
            chunk.Dispose();
        _chunks.Clear();
        for (var i = 0; i < _lenders.Count; i++)
            _lenders[i].LentSent();
        _lenders.Clear();
    }

    private void NextChunk(int sizeHint)
    {
        ClosePiece();
        _chunk = pool.Rent(Math.Max(ChunkBytes, sizeHint));
        _chunks.Add(_chunk);
        _filled = _pieceStart = 0;
    }
}
