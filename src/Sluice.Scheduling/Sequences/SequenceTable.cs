using Sluice.Inference;
using Sluice.Models;
using Sluice.Tensors;

namespace Sluice.Scheduling.Sequences;

/// <summary>The sequences of one model by their ids; numbers and names are apart.</summary>
/// <remarks><b>Threads.</b> None of its own: the scheduler holds its lock around every call.</remarks>
internal sealed class SequenceTable(int stateCount, DataType? idType, int maxCount)
{
    private const int MostIdle = 1024;

    private readonly Dictionary<ulong, Sequence> _byNumber = [];
    private readonly Dictionary<byte[], Sequence> _byName = new(Utf8NameComparer.Instance);
    private readonly Stack<Sequence> _idle = new();
    private ulong _lastAnonymous;

    /// <summary>Sequences under way, those without an id and those that are about to end included.</summary>
    public int Count { get; private set; }

    /// <summary>There may be no more of them.</summary>
    public bool IsFull => Count >= maxCount;

    /// <summary>Finds the sequence that a request belongs to.</summary>
    public Sequence? Find(InferRequest request)
    {
        Sequence? found;
        if (request.SequenceName.IsEmpty)
            _byNumber.TryGetValue(request.SequenceId, out found);
        else
            _byName.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(request.Text(request.SequenceName), out found);
        return found;
    }

    /// <summary>Begins a sequence with the id of its first request, or without one.</summary>
    public Sequence Add(InferRequest request)
    {
        var sequence = Rent();
        if (!request.SequenceName.IsEmpty)
        {
            sequence.Begin(0, request.Text(request.SequenceName).ToArray(), idType);
            _byName.Add(sequence.Name!, sequence);
        }
        else if (request.SequenceId != 0)
        {
            sequence.Begin(request.SequenceId, null, idType);
            _byNumber.Add(request.SequenceId, sequence);
        }
        else
        {
            sequence.Begin(++_lastAnonymous, null, idType);
            sequence.IsClosed = true;
        }

        return sequence;
    }

    /// <summary>Begins another sequence with the id of one that takes no more requests from here on.</summary>
    public Sequence Succeed(Sequence former)
    {
        var heir = Rent();
        heir.Begin(former.Number, former.Name, idType);
        heir.IsClosed = former.IsClosed;
        former.IsClosed = true;
        if (heir.IsClosed)
            return heir;
        if (heir.Name is null)
            _byNumber[heir.Number] = heir;
        else
            _byName[heir.Name] = heir;
        return heir;
    }

    /// <summary>Takes no more requests for a sequence; its id is free.</summary>
    public void Close(Sequence sequence)
    {
        if (sequence.IsClosed)
            return;
        sequence.IsClosed = true;
        if (sequence.Name is null)
            _byNumber.Remove(sequence.Number);
        else
            _byName.Remove(sequence.Name);
    }

    /// <summary>Forgets a sequence that has ended.</summary>
    public void Remove(Sequence sequence)
    {
        Close(sequence);
        sequence.DropStates();
        Count--;
        if (_idle.Count < MostIdle)
            _idle.Push(sequence);
    }

    private Sequence Rent()
    {
        Count++;
        return _idle.TryPop(out var sequence) ? sequence : new Sequence(stateCount);
    }
}
