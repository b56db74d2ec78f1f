using Sluice.Inference;

namespace Sluice.Scheduling.Overload;

/// <summary>Gives each caller its turn: requests are put in rounds, each caller has a few places in every one.</summary>
/// <remarks>
/// <para>A caller alone has the rounds for itself, so that its requests stay in order. Callers whose keys share a slot share its places.
/// Past the last round that can be told apart a caller's requests go to that one.</para>
/// <para><b>Threads.</b> None of its own: the queue that owns it holds the lock.</para>
/// </remarks>
internal sealed class FairRounds
{
    private const int RoundCount = 256;
    private const int SlotCount = 64;
    private const int PlacesPerRound = 8;

    // The last request of each round that has any; rounds count up and their places here are used in turn.
    private readonly InferRequest?[] _tails = new InferRequest?[RoundCount];
    private readonly Slot[] _slots = new Slot[SlotCount];
    private long _current;
    private long _newest;

    /// <summary>Finds the place of a new request.</summary>
    /// <param name="request">Receives its round.</param>
    /// <returns>The request behind which it goes; null = the front.</returns>
    public InferRequest? Place(InferRequest request)
    {
        ref var slot = ref _slots[(uint)request.ClientKey % SlotCount];
        if (slot.Round < _current)
            slot = new Slot { Round = _current };
        if (slot.Used == PlacesPerRound && slot.Round < _current + RoundCount - 1)
            slot = new Slot { Round = slot.Round + 1 };
        if (slot.Used < PlacesPerRound)
            slot.Used++;
        var round = request.QueueRound = slot.Round;
        _newest = Math.Max(_newest, round);
        var before = round;
        while (before > _current && _tails[before % RoundCount] is null)
            before--;
        var tail = _tails[before % RoundCount];
        _tails[round % RoundCount] = request;
        return tail;
    }

    /// <summary>A request leaves the queue.</summary>
    /// <param name="request">Placed before, still linked.</param>
    /// <param name="isFirst">It is the first of all.</param>
    public void Remove(InferRequest request, bool isFirst)
    {
        var round = request.QueueRound;
        ref var tail = ref _tails[round % RoundCount];
        if (ReferenceEquals(tail, request))
            tail = request.QueuePrevious is { IsDelayed: false } previous && previous.QueueRound == round ? previous : null;
        if (isFirst)
            _current = request.QueueNext is { IsDelayed: false } next ? next.QueueRound : _newest;
    }

    private struct Slot
    {
        public long Round;
        public int Used;
    }
}
