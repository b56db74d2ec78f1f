using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Sluice.Inference;

namespace Sluice.Statistics.Sampling;

/// <summary>A sampled call on its way to the consumer.</summary>
internal struct Sample
{
    /// <summary>What is sampled; null when the call could not be taken.</summary>
    public SamplingPlan? Plan;

    /// <summary>What the call took, ticks.</summary>
    public long Ticks;

    /// <summary>Its values, from <see cref="SampleRing.TryRentRecord"/>; null = none.</summary>
    public SampleRecord? Record;
}

/// <summary>A bounded queue of samples in places that are made once: any number of writers, one reader, no lock.</summary>
/// <remarks>
/// <para>Each place has a number that says whose turn it is, as in Dmitry Vyukov's bounded queue: equal to the ticket it is
/// free for, one more than it when written, a whole round more when read.</para>
/// <para>A writer that is interrupted between taking a place and giving it up holds up the reader, and no other writer.</para>
/// </remarks>
internal sealed class SampleRing
{
    // A record may grow to SampleRecord.MostBytes, and all of them are used in turn.
    private const int MostRecords = 2048;

    private readonly ConcurrentQueue<SampleRecord> _records = new();
    private readonly Place[] _places;
    private readonly int _mask;
    private Positions _positions;

    /// <param name="capacity">A power of two.</param>
    public SampleRing(int capacity)
    {
        _places = new Place[capacity];
        _mask = capacity - 1;
        for (var i = 0; i < capacity; i++)
            _places[i].Turn = i;
        for (var i = 0; i < Math.Min(capacity, MostRecords); i++)
            _records.Enqueue(new SampleRecord());
    }

    /// <summary>Places.</summary>
    public int Capacity => _places.Length;

    /// <summary>Takes a free place, which <see cref="At"/> gives.</summary>
    /// <param name="ticket">For <see cref="Publish"/>, which must follow. Tickets count up from zero.</param>
    /// <returns>False when all are in use.</returns>
    public bool TryRent(out long ticket)
    {
        while (true)
        {
            ticket = Volatile.Read(ref _positions.Tail);
            var turn = Volatile.Read(ref _places[ticket & _mask].Turn);
            if (turn < ticket)
                return false;
            if (turn == ticket && Interlocked.CompareExchange(ref _positions.Tail, ticket + 1, ticket) == ticket)
                return true;
        }
    }

    /// <summary>The place that a ticket stands for, to be filled or read by its holder alone.</summary>
    public ref Sample At(long ticket) => ref _places[ticket & _mask].Sample;

    /// <summary>Gives an empty record to a writer, for a place or for <see cref="Return"/>.</summary>
    /// <returns>False when all are in use.</returns>
    public bool TryRentRecord([NotNullWhen(true)] out SampleRecord? record) => _records.TryDequeue(out record);

    /// <summary>Takes a record back for which there was no place.</summary>
    public void Return(SampleRecord record) => _records.Enqueue(record);

    /// <summary>Gives a filled place to the reader.</summary>
    public void Publish(long ticket) => Volatile.Write(ref _places[ticket & _mask].Turn, ticket + 1);

    /// <summary>Finds the oldest sample. <see cref="Release"/> follows. The reader only.</summary>
    /// <param name="ticket">Its ticket.</param>
    /// <returns>False when there is none.</returns>
    public bool TryPeek(out long ticket)
    {
        ticket = _positions.Head;
        return Volatile.Read(ref _places[ticket & _mask].Turn) == ticket + 1;
    }

    /// <summary>Frees the place of the oldest sample, and takes its record back. The reader only.</summary>
    public void Release()
    {
        ref var sample = ref At(_positions.Head);
        sample.Plan = null;
        if (sample.Record is { } record)
        {
            sample.Record = null;
            record.Clear();
            _records.Enqueue(record);
        }

        var head = _positions.Head++;
        Volatile.Write(ref _places[head & _mask].Turn, head + _places.Length);
    }

    private struct Place
    {
        public long Turn;
        public Sample Sample;
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
