using System.Runtime.InteropServices;

namespace Sluice.Statistics.Sampling;

/// <summary>A bounded queue of records that are made once: any number of writers, one reader, no lock.</summary>
/// <remarks>
/// <para>Each place has a number that says whose turn it is, as in Dmitry Vyukov's bounded queue: equal to the ticket it is
/// free for, one more than it when written, a whole round more when read.</para>
/// <para>A writer that is interrupted between taking a place and giving it up holds up the reader, and no other writer.</para>
/// </remarks>
internal sealed class SampleRing
{
    private readonly Place[] _places;
    private readonly int _mask;
    private Positions _positions;

    /// <param name="capacity">A power of two.</param>
    public SampleRing(int capacity)
    {
        _places = new Place[capacity];
        _mask = capacity - 1;
        for (var i = 0; i < capacity; i++)
            _places[i] = new Place { Turn = i, Record = new SampleRecord() };
    }

    /// <summary>Takes a free place.</summary>
    /// <param name="record">To be filled by the caller alone.</param>
    /// <param name="ticket">For <see cref="Publish"/>, which must follow.</param>
    /// <returns>False when all are in use.</returns>
    public bool TryRent(out SampleRecord record, out long ticket)
    {
        while (true)
        {
            ticket = Volatile.Read(ref _positions.Tail);
            ref var place = ref _places[ticket & _mask];
            var turn = Volatile.Read(ref place.Turn);
            record = place.Record;
            if (turn < ticket)
                return false;
            if (turn == ticket && Interlocked.CompareExchange(ref _positions.Tail, ticket + 1, ticket) == ticket)
                return true;
        }
    }

    /// <summary>Gives a filled place to the reader.</summary>
    public void Publish(long ticket) => Volatile.Write(ref _places[ticket & _mask].Turn, ticket + 1);

    /// <summary>The oldest record; null when there is none. <see cref="Release"/> follows. The reader only.</summary>
    public SampleRecord? Peek()
    {
        ref var place = ref _places[_positions.Head & _mask];
        return Volatile.Read(ref place.Turn) == _positions.Head + 1 ? place.Record : null;
    }

    /// <summary>Frees the place of the oldest record. The reader only.</summary>
    public void Release()
    {
        var head = _positions.Head++;
        Volatile.Write(ref _places[head & _mask].Turn, head + _places.Length);
    }

    private struct Place
    {
        public long Turn;
        public SampleRecord Record;
    }

    /// <summary>Both ends, each on a cache line that the other side does not write.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Positions
    {
        [FieldOffset(64)]
        public long Tail;

        [FieldOffset(192)]
        public long Head;
    }
}
