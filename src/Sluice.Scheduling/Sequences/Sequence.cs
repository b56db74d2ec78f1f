using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Sluice.Inference;
using Sluice.Scheduling.Decoupled;
using Sluice.Scheduling.Dynamic;
using Sluice.Tensors;

namespace Sluice.Scheduling.Sequences;

/// <summary>A sequence under way: who it is, which requests of it wait, and its states.</summary>
/// <remarks>It is in one list at most. Everything is guarded by the scheduler's lock, but the states, which belong to the
/// running step.</remarks>
internal sealed class Sequence(int stateCount)
{
    private RequestList _requests;
    private byte[] _id = new byte[sizeof(ulong)];
    private int _idLength;

    public Sequence? Previous { get; set; }

    public Sequence? Next { get; set; }

    public SequenceList? List { get; set; }

    /// <summary>Its number; 0 = it has a name.</summary>
    public ulong Number { get; private set; }

    /// <summary>Its name as UTF-8; null = it has a number.</summary>
    public byte[]? Name { get; private set; }

    /// <summary>The slot that it has; -1 = it waits for one.</summary>
    public int Slot { get; set; } = -1;

    /// <summary>A request of it executes, or its responses are being written.</summary>
    public bool IsRunning { get; set; }

    /// <summary>No request can come any more: END came, it was given up, or it never had an id.</summary>
    public bool IsClosed { get; set; }

    /// <summary>It was given up; what runs is the last.</summary>
    public bool IsAborted { get; set; }

    /// <summary>Since when its first request could run, clock ticks.</summary>
    public long ReadyAt { get; set; }

    /// <summary>Since when nothing of it waits or runs, clock ticks.</summary>
    public long IdleSince { get; set; }

    /// <summary>Since when it waits for a slot, where that is later than its requests came; clock ticks, 0 = it is not.</summary>
    public long BackloggedAt { get; set; }

    /// <summary>Until when it may wait for a slot, clock ticks.</summary>
    public long ExpiresAt { get; set; }

    /// <summary>The request that runs next.</summary>
    public InferRequest? First => _requests.First;

    /// <summary>Requests that wait.</summary>
    public int Count => _requests.Count;

    /// <summary>What the model left for the next step, one per state.</summary>
    public SequenceState[] States { get; } = new SequenceState[stateCount];

    /// <summary>The way of its responses, while a request of it is to run again.</summary>
    public ResponseChannel? Channel { get; set; }

    /// <summary>Its id as an element of the model's input.</summary>
    public ReadOnlyMemory<byte> Id => _id.AsMemory(0, _idLength);

    /// <summary>Begins a sequence.</summary>
    /// <param name="number">Its number, where it has no name.</param>
    /// <param name="name">Its name; kept.</param>
    /// <param name="type">What the model wants to see of the id; null = nothing.</param>
    public void Begin(ulong number, byte[]? name, DataType? type)
    {
        Number = number;
        Name = name;
        Slot = -1;
        IsRunning = IsClosed = IsAborted = false;
        BackloggedAt = 0;
        ExpiresAt = long.MaxValue;
        Channel = null;
        if (type is not null)
            SetId(type.Value);
    }

    /// <summary>Adds a request behind the others.</summary>
    public void AddLast(InferRequest request)
    {
        request.Sequence = this;
        request.QueueOwner = this;
        _requests.Insert(request, _requests.Last);
    }

    /// <summary>Puts a request before the others that has run and is to run again.</summary>
    public void AddFirst(InferRequest request)
    {
        request.QueueOwner = this;
        _requests.Insert(request, before: null);
    }

    /// <summary>Takes the first request out.</summary>
    public InferRequest TakeFirst()
    {
        var request = First!;
        Remove(request);
        return request;
    }

    /// <summary>Takes a request out that waits.</summary>
    public void Remove(InferRequest request)
    {
        _requests.Remove(request);
        request.QueueOwner = null;
    }

    /// <summary>Ends a step that may have put states aside.</summary>
    /// <param name="isKept">They are for the next step; else it has the same as this one.</param>
    public void SettleStates(bool isKept)
    {
        foreach (ref var state in States.AsSpan())
            state.Settle(isKept);
    }

    /// <summary>Gives the states' memory back.</summary>
    public void DropStates()
    {
        foreach (ref var state in States.AsSpan())
            state.Clear();
    }

    /// <summary>Its id for messages.</summary>
    public static string TextOf(InferRequest request) => request.SequenceName.IsEmpty
        ? request.SequenceId.ToString(CultureInfo.InvariantCulture)
        : request.TextString(request.SequenceName);

    private void SetId(DataType type)
    {
        if (type != DataType.Bytes)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(_id, Number);
            _idLength = type.ElementSize();
            return;
        }

        var text = Name ?? Encoding.UTF8.GetBytes(Number.ToString(CultureInfo.InvariantCulture));
        _idLength = sizeof(int) + text.Length;
        if (_id.Length < _idLength)
            _id = new byte[_idLength];
        BinaryPrimitives.WriteInt32LittleEndian(_id, text.Length);
        text.CopyTo(_id.AsSpan(sizeof(int)));
    }
}
