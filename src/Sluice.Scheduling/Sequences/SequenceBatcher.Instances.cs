using Sluice.Inference;
using Sluice.Scheduling.Dynamic;
using Sluice.Scheduling.RateLimit;

namespace Sluice.Scheduling.Sequences;

/// <content>Instances that come and go while the model serves.</content>
/// <remarks>A sequence stays at its instance, which may keep what it saw. One that is to go gets no new sequences and leaves with its last
/// one, at the latest when that has idled for too long; its number is used again.</remarks>
public sealed partial class SequenceBatcher
{
    private readonly SequenceSlots _slots;
    private readonly List<Task> _retirements = [];
    private int _addedCount;
    private int _leavingCount;

    // By number; those that have gone leave a gap. Guarded by the lock, as is what follows.
    private InstanceRunner?[] _instances;
    private bool[] _isIdle;

    internal override bool CanResize => true;

    internal override IReadOnlyList<InstanceSeat> Seats
    {
        get
        {
            lock (Gate)
                return [.. Runners.Where(runner => !runner.IsRetiring).Select(runner => runner.Seat).OfType<InstanceSeat>()];
        }
    }

    internal override void Add(IModelInstance instance, InstanceSeat seat)
    {
        lock (Gate)
        {
            var number = Array.IndexOf(_instances, null);
            if (number < 0)
            {
                number = _instances.Length;
                _isIdle = [.. _isIdle, false];
                _instances = [.. _instances, null];
            }

            var runner = new InstanceRunner(this, Adapt(Settings, instance), $"{Settings.Name}_added{_addedCount++}", number) { Seat = seat };
            _instances[number] = runner;
            _isIdle[number] = true;
            Runners = [.. Runners, runner];
            IsLimited |= seat.Limit is not null;
            _book.AddInstance(number, Now);
        }

        StartAll();
    }

    internal override void Remove(InstanceSeat seat)
    {
        lock (Gate)
        {
            var runner = Array.Find(Runners, other => other.Seat == seat)!;
            runner.IsRetiring = true;
            _leavingCount++;
            _slots.Close(runner.Number);
            NoteRetired();
        }
    }

    private protected override Task WhenRetiredAsync()
    {
        lock (Gate)
            return Task.WhenAll(_retirements);
    }

    /// <summary>Lets instances go that are to go and have no sequence any more; the caller holds the lock.</summary>
    private void NoteRetired()
    {
        if (_leavingCount == 0 || IsDisposed)
            return;
        foreach (var runner in Runners)
        {
            if (!runner.IsRetiring || !_isIdle[runner.Number] || _slots.IsUsed(runner.Number))
                continue;
            _leavingCount--;
            _isIdle[runner.Number] = false;
            _instances[runner.Number] = null;
            Runners = [.. Runners.Where(other => other != runner)];
            _retirements.RemoveAll(retirement => retirement.IsCompleted);
            _retirements.Add(runner.Retired);
            runner.Retire();
        }
    }
}
