using Sluice.Inference;
using Sluice.Scheduling.RateLimit;

namespace Sluice.Scheduling.Decoupled;

/// <content>Instances that come and go while the model serves.</content>
/// <remarks>One that is to go takes no more requests, and leaves when those that it took have sent their last response.</remarks>
public sealed partial class DecoupledScheduler
{
    private readonly List<Task> _retirements = [];

    internal override bool CanResize => true;

    internal override IReadOnlyList<InstanceSeat> Seats
    {
        get
        {
            lock (Gate)
                return [.. _runners.Select(runner => runner.Seat).OfType<InstanceSeat>()];
        }
    }

    internal override void Add(IModelInstance instance, InstanceSeat seat)
    {
        DecoupledRunner? next;
        lock (Gate)
        {
            var runner = new DecoupledRunner(this, Adapt(instance)) { Seat = seat };
            _runners = [.. _runners, runner];
            _isLimited |= seat.Limit is not null;
            if (_idle.Count == 0)
                _idleSince = Now;
            _idle.Push(runner);
            next = TakeToStart(Now);
        }

        next?.Start();
    }

    internal override void Remove(InstanceSeat seat)
    {
        lock (Gate)
        {
            var runner = Array.Find(_runners, other => other.Seat == seat)!;
            _runners = [.. _runners.Where(other => other != runner)];
            runner.IsRetiring = true;
            var others = _idle.Where(other => other != runner).Reverse().ToArray();
            _idle.Clear();
            foreach (var other in others)
                _idle.Push(other);
            _retirements.RemoveAll(retirement => retirement.IsCompleted);
            _retirements.Add(runner.Retired);
            NoteRetired(runner);
        }
    }

    private static IStreamingInstance Adapt(IModelInstance instance) => instance as IStreamingInstance ?? new SingleResponseInstance(instance);

    private Task WhenRetiredAsync()
    {
        lock (Gate)
            return Task.WhenAll(_retirements);
    }

    /// <summary>Gives an idle instance to the caller to start when there is work that no starting one will take; the caller holds the
    /// lock.</summary>
    private DecoupledRunner? TakeToStart(long now)
    {
        if (_queue.Count == 0 || _idle.Count == 0)
            return null;

        // Requests of zero rows need a run as well.
        var executions = _policy is null
            ? _queue.Count
            : Math.Max(1, (_queue.RowCount + Settings.MaxBatchSize - 1) / Settings.MaxBatchSize);
        if (_startingCount >= executions && !_isLimited)
            return null;
        if (_policy is { HasDelay: true } && _queue.RowCount < _policy.SmallestPreferred && Decide(now) is { Take: 0 } wait)
        {
            Timer.Schedule(this, wait.WaitUntil);
            return null;
        }

        _startingCount++;
        var runner = _idle.Pop();
        runner.IsIdle = false;
        return runner;
    }

    /// <summary>Lets an instance go that is to go and has nothing under way; the caller holds the lock.</summary>
    private static void NoteRetired(DecoupledRunner runner)
    {
        if (runner is { IsRetiring: true, IsIdle: true, RequestCount: 0 })
            runner.Retire();
    }
}
