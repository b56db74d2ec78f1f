using Sluice.Inference;
using Sluice.Scheduling.RateLimit;

namespace Sluice.Scheduling.Dynamic;

/// <content>Instances that come and go while the model serves.</content>
public sealed partial class DynamicBatcher
{
    private readonly List<Task> _retirements = [];
    private int _addedCount;

    // An instance that was alone is in the midst of a batch without a place in the order, and those that came wait for its end.
    private readonly List<InstanceRunner> _joining = [];
    private InstanceRunner? _unordered;

    internal override bool CanResize => true;

    internal override IReadOnlyList<InstanceSeat> Seats
    {
        get
        {
            lock (Gate)
                return [.. Runners.Select(runner => runner.Seat).OfType<InstanceSeat>()];
        }
    }

    internal override void Add(IModelInstance instance, InstanceSeat seat)
    {
        InstanceRunner? next;
        lock (Gate)
        {
            var runner = new InstanceRunner(this, instance, $"{Settings.Name}_added{_addedCount++}", Runners.Length) { Seat = seat };
            Runners = [.. Runners, runner];
            IsLimited |= seat.Limit is not null;
            BeginOrder(Runners[0]);
            if (_unordered is null)
                _idle.Push(runner);
            else
                _joining.Add(runner);
            next = TakeToStart(Now);
        }

        next?.Start();
    }

    internal override void Remove(InstanceSeat seat)
    {
        InstanceRunner runner;
        bool isIdle;
        lock (Gate)
        {
            runner = Array.Find(Runners, other => other.Seat == seat)!;
            Runners = [.. Runners.Where(other => other != runner)];
            runner.IsRetiring = true;
            isIdle = _idle.Contains(runner);
            if (isIdle)
                RemoveIdle(runner);
            isIdle |= _joining.Remove(runner);

            _retirements.RemoveAll(retirement => retirement.IsCompleted);
            _retirements.Add(runner.Retired);
        }

        if (isIdle)
            runner.Retire();
    }

    /// <summary>Takes an instance for busy until it is; before the first request.</summary>
    /// <param name="number">Which instance.</param>
    /// <param name="busy">Ends when the instance is free.</param>
    /// <returns>Ends when the instance can be used.</returns>
    internal Task Withhold(int number, Task busy)
    {
        lock (Gate)
        {
            var runner = Runners[number];
            RemoveIdle(runner);
            runner.IsExecuting = true;
            runner.StartedAt = Now;
            var returned = ReturnAsync();
            _retirements.Add(returned);
            return returned;

            async Task ReturnAsync()
            {
                await busy.ConfigureAwait(ConfigureAwaitOptions.ForceYielding | ConfigureAwaitOptions.SuppressThrowing);
                FinishTurn(runner);
            }
        }
    }

    /// <summary>Begins to bring answers into order, when a model wants that and is about to have more than one instance.</summary>
    private void BeginOrder(InstanceRunner alone)
    {
        if (Order is not null || Settings.DynamicBatching?.PreserveOrdering != true)
            return;
        Order = new OrderedCompletion();
        _neverInline = true;
        if (!_idle.Contains(alone) && alone.Count > 0 && !alone.TryJoinOrder())
            _unordered = alone;
    }

    /// <summary>An instance is done with what it had taken; the caller holds the lock.</summary>
    /// <remarks>What was not cheap may still be on its way to be answered on the pool.</remarks>
    private void NoteOrdered(InstanceRunner runner)
    {
        if (_unordered is null || runner != _unordered)
            return;
        _unordered = null;
        foreach (var other in _joining)
            _idle.Push(other);
        _joining.Clear();
    }

    private void RemoveIdle(InstanceRunner runner)
    {
        var others = _idle.Where(other => other != runner).Reverse().ToArray();
        _idle.Clear();
        foreach (var other in others)
            _idle.Push(other);
    }

    private protected override Task WhenRetiredAsync()
    {
        lock (Gate)
            return Task.WhenAll(_retirements);
    }
}
