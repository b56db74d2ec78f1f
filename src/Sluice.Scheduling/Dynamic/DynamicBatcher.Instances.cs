using Sluice.Inference;
using Sluice.Scheduling.RateLimit;

namespace Sluice.Scheduling.Dynamic;

/// <content>Instances that come and go while the model serves.</content>
public sealed partial class DynamicBatcher
{
    private readonly List<Task> _retirements = [];
    private int _addedCount;

    /// <remarks>Those of a model that preserves its order may not, since that is arranged once.</remarks>
    internal override bool CanResize => Settings.DynamicBatching?.PreserveOrdering != true;

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
            _idle.Push(runner);
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

            _retirements.RemoveAll(retirement => retirement.IsCompleted);
            _retirements.Add(runner.Retired);
        }

        if (isIdle)
            runner.Retire();
    }

    /// <summary>Takes an instance for busy until it is; before the first request.</summary>
    /// <param name="number">Which instance.</param>
    /// <param name="busy">Ends when the instance is free.</param>
    internal void Withhold(int number, Task busy)
    {
        lock (Gate)
        {
            var runner = Runners[number];
            RemoveIdle(runner);
            runner.IsExecuting = true;
            runner.StartedAt = Now;
            _retirements.Add(ReturnAsync());

            async Task ReturnAsync()
            {
                await busy.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
                FinishTurn(runner);
            }
        }
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
