namespace Sluice.Http2.Hpack;

/// <summary>The fields that a peer has added, newest first, within a bound of bytes (RFC 7541 §2.3.2 and §4).</summary>
internal sealed class DynamicTable
{
    private HeaderField[] _ring = new HeaderField[16];
    private int _newest;

    /// <summary>Creates an empty table.</summary>
    /// <param name="limit">The size that we announced, bytes.</param>
    public DynamicTable(int limit) => Limit = MaxSize = limit;

    /// <summary>The most that <see cref="Resize"/> may ask for, bytes.</summary>
    public int Limit { get; }

    /// <summary>Bound of today, bytes.</summary>
    public int MaxSize { get; private set; }

    /// <summary>Entries now.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes now, with the overhead of each entry.</summary>
    public int Size { get; private set; }

    /// <summary>Changes whenever a stored index may mean something else.</summary>
    public int Generation { get; private set; }

    /// <summary>Returns an entry.</summary>
    /// <param name="position">0 is the newest; less than <see cref="Count"/>.</param>
    public HeaderField Get(int position) => _ring[(_newest - position + _ring.Length) % _ring.Length];

    /// <summary>Adds a field, evicting old ones; one that is too large empties the table, which is no error (§4.4).</summary>
    public void Add(HeaderField field)
    {
        Generation++;
        EvictTo(MaxSize - field.Size);
        if (field.Size > MaxSize)
            return;
        if (Count == _ring.Length)
            Grow();
        _newest = (_newest + 1) % _ring.Length;
        _ring[_newest] = field;
        Count++;
        Size += field.Size;
    }

    /// <summary>Changes the bound (§4.3).</summary>
    public void Resize(int maxSize)
    {
        Generation++;
        MaxSize = maxSize;
        EvictTo(maxSize);
    }

    private void EvictTo(int size)
    {
        while (Count > 0 && Size > size)
        {
            var oldest = (_newest - Count + 1 + _ring.Length) % _ring.Length;
            Size -= _ring[oldest].Size;
            _ring[oldest] = default;
            Count--;
        }
    }

    private void Grow()
    {
        var larger = new HeaderField[_ring.Length * 2];
        for (var i = 0; i < Count; i++)
            larger[Count - 1 - i] = Get(i);
        _newest = Count - 1;
        _ring = larger;
    }
}
