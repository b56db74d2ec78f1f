namespace Sluice.Scheduling.Sequences;

/// <summary>A list through the sequences themselves; every operation is constant time.</summary>
internal sealed class SequenceList
{
    private Sequence? _last;

    public Sequence? First { get; private set; }

    public int Count { get; private set; }

    public void AddLast(Sequence sequence)
    {
        sequence.List = this;
        sequence.Previous = _last;
        sequence.Next = null;
        if (_last is null)
            First = sequence;
        else
            _last.Next = sequence;
        _last = sequence;
        Count++;
    }

    public void AddFirst(Sequence sequence)
    {
        sequence.List = this;
        sequence.Previous = null;
        sequence.Next = First;
        if (First is null)
            _last = sequence;
        else
            First.Previous = sequence;
        First = sequence;
        Count++;
    }

    public void Remove(Sequence sequence)
    {
        if (sequence.Previous is { } previous)
            previous.Next = sequence.Next;
        else
            First = sequence.Next;
        if (sequence.Next is { } next)
            next.Previous = sequence.Previous;
        else
            _last = sequence.Previous;
        sequence.Previous = sequence.Next = null;
        sequence.List = null;
        Count--;
    }
}
