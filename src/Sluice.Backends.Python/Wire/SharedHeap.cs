using System.Numerics;
using Sluice.Inference;

namespace Sluice.Backends.Python.Wire;

/// <summary>Gives out pieces of the region that the server writes and a worker reads.</summary>
/// <remarks>
/// <para>The region begins with a byte for each request under way, by which the worker sees that it was cancelled.</para>
/// <para><b>Threads.</b> Any; the lock is held for list operations only.</para>
/// </remarks>
internal sealed unsafe class SharedHeap
{
    /// <summary>Bytes at the start that hold the cancellations.</summary>
    public const int ControlBytes = 65536;

    /// <summary>From a request's byte to the one in which the worker says that it has begun with it.</summary>
    private const int StartedAt = ControlBytes / 2;

    private const int LeastStep = 4096;

    private readonly object _gate = new();
    private readonly SharedRegion _region;
    private readonly Dictionary<long, Stack<long>> _free = [];
    private readonly Dictionary<long, (long Size, int Holders)> _held = [];
    private readonly Stack<int> _freeSlots = new();
    private long _top = ControlBytes;
    private int _slotTop = 1;

    public SharedHeap(SharedRegion region) => _region = region;

    public SharedRegion Region => _region;

    /// <summary>Takes a block, 64-byte aligned, with one holder.</summary>
    /// <exception cref="InferenceException"><see cref="InferenceCode.ResourceExhausted"/>: the region is full.</exception>
    public long Allocate(long byteLength, string model)
    {
        var step = Math.Max(LeastStep, 1L << Math.Max(0, BitOperations.Log2((ulong)byteLength) - 3));
        var size = (byteLength + step - 1) & -step;
        lock (_gate)
        {
            if (!_free.TryGetValue(size, out var blocks) || !blocks.TryPop(out var offset))
            {
                if (_top + size > _region.Length && _held.Count == 0)
                {
                    _free.Clear();
                    _top = ControlBytes;
                }

                offset = _top;
                if (offset + size > _region.Length)
                    throw new InferenceException(
                        InferenceCode.ResourceExhausted,
                        $"{byteLength} bytes of input for model '{model}' do not fit into the {_region.Length} bytes of memory " +
                        $"shared with its process, of which {_top} are taken");
                _top = offset + size;
            }

            _held[offset] = (size, 1);
            return offset;
        }
    }

    /// <summary>Adds a holder to the block that a piece lies in.</summary>
    /// <returns>The block; -1 when the piece lies in none.</returns>
    public long Hold(long offset, long byteLength, long block)
    {
        lock (_gate)
        {
            if (!_held.TryGetValue(block, out var entry) || offset < block || offset + byteLength > block + entry.Size)
                return -1;
            _held[block] = (entry.Size, entry.Holders + 1);
            return block;
        }
    }

    /// <summary>Drops a holder; the block is free with the last one.</summary>
    /// <returns>False when there is no such block.</returns>
    public bool Release(long block)
    {
        lock (_gate)
        {
            if (!_held.TryGetValue(block, out var entry))
                return false;
            if (entry.Holders > 1)
            {
                _held[block] = (entry.Size, entry.Holders - 1);
                return true;
            }

            _held.Remove(block);
            if (!_free.TryGetValue(entry.Size, out var blocks))
                _free[entry.Size] = blocks = new Stack<long>();
            blocks.Push(block);
            return true;
        }
    }

    /// <summary>Takes the byte that tells of one request's cancellation; 0 = there is none left.</summary>
    public int TakeSlot()
    {
        lock (_gate)
        {
            if (!_freeSlots.TryPop(out var slot))
            {
                if (_slotTop == StartedAt)
                    return 0;
                slot = _slotTop++;
            }

            *_region.At(slot) = 0;
            *_region.At(StartedAt + slot) = 0;
            return slot;
        }
    }

    /// <summary>Says in the worker's sight that nobody waits for a request any more.</summary>
    public void Cancel(int slot)
    {
        if (slot > 0)
            Volatile.Write(ref *_region.At(slot), (byte)1);
    }

    /// <summary>Tells whether the worker has begun with a request; it says so for calls of endpoints only.</summary>
    public bool HasStarted(int slot) => slot > 0 && Volatile.Read(ref *_region.At(StartedAt + slot)) != 0;

    /// <summary>Gives a request's byte back.</summary>
    public void ReturnSlot(int slot)
    {
        if (slot <= 0)
            return;
        lock (_gate)
            _freeSlots.Push(slot);
    }
}
