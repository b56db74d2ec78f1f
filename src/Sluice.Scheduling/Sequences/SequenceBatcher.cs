using System.Buffers;
using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Scheduling.Decoupled;
using Sluice.Scheduling.Dynamic;
using Sluice.Scheduling.Timing;
using Sluice.Tensors;

namespace Sluice.Scheduling.Sequences;

/// <summary>Keeps the requests of each sequence in order and at one instance, in a slot of their own while it lasts.</summary>
/// <remarks>
/// <para>The lock guards the <see cref="SequenceBook"/> and what each instance has taken. Either each slot is a row of its
/// instance's batches and idle ones are filled (direct), or the steps that have been ready for longest make a batch
/// (oldest).</para>
/// <para>Nothing is run twice, since the model may keep what it saw.</para>
/// </remarks>
public sealed partial class SequenceBatcher : InstanceScheduler
{
    private readonly SequenceBook _book;
    private readonly SequenceOutlook _outlook;
    private readonly IStepCutter _cutter;
    private readonly TensorBufferPool _pool;
    private readonly bool _isIterative;
    private readonly bool _isStreaming;
    private readonly int _maxSequences;
    private (int Queued, int Backlogged) _held;
    private bool _isHeld;

    /// <summary>Creates the scheduler of one model version.</summary>
    /// <param name="settings">Completed settings, with <see cref="ModelSettings.Sequence"/>.</param>
    /// <param name="model">The opened model; disposed with the scheduler.</param>
    /// <param name="instances">At least one; disposed with the scheduler.</param>
    /// <param name="pool">Memory for inputs, outputs and states.</param>
    /// <param name="options">Choices for all models.</param>
    /// <param name="timer">Wakes for delays and time-outs.</param>
    /// <param name="logger">For failures of the engine.</param>
    public SequenceBatcher(
        ModelSettings settings, IBackendModel model, IReadOnlyList<IModelInstance> instances, TensorBufferPool pool,
        SchedulerOptions options, IDelayTimer timer, ILogger logger)
        : base(
            settings, model, [.. instances.Select(instance => Adapt(settings, instance))], pool, options, timer, logger,
            canBatch: settings.MaxBatchSize > 1, keepsOrder: settings.Sequence!.Oldest?.PreserveOrdering == true)
    {
        var sequence = settings.Sequence;
        var inputs = new SequenceInputs(settings.Inputs.Length, EngineSettings);
        var slots = new SequenceSlots(instances.Count, SequenceSlots.CountOf(settings, model.Description, options));
        var shapes = new ShapeGroup(EngineSettings);
        SlotsEach = slots.SlotsEach;
        _pool = pool;
        _isIterative = sequence.IsIterative;
        _isStreaming = settings.IsDecoupled || instances.Any(instance => instance is IStreamingInstance);
        _book = new SequenceBook(sequence, inputs, slots, instances.Count, options);
        _cutter = sequence.Oldest is null && settings.MaxBatchSize > 0
            ? new DirectCutter(sequence, slots, shapes, inputs)
            : new OldestCutter(settings.MaxBatchSize, sequence.Oldest ?? new OldestSettings(), shapes);
        _outlook = new SequenceOutlook(settings, _book, slots, Overload.Times, knowsEnd: !_isIterative && !_isStreaming);
        _slots = slots;
        _instances = [.. Runners];
        _isIdle = [.. instances.Select(_ => true)];
        _maxSequences = options.MaxSequences;
        _held = (options.HoldUntilQueued, options.HoldUntilBacklogged);
        _isHeld = _held != default;
    }

    /// <summary>Sequences that each instance may have.</summary>
    internal int SlotsEach { get; }

    internal override bool KeepsPlaces => true;

    internal override bool HasWaiting => _book.QueuedCount > 0;

    internal override bool AllowsReschedule => _isIterative;

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync().ConfigureAwait(false);
        lock (Gate)
            _book.Clear();
    }

    /// <summary>Makes no batch until <see cref="LetGo"/>, so that all that comes meanwhile may share one.</summary>
    internal void HoldBack()
    {
        lock (Gate)
            (_held, _isHeld) = ((int.MaxValue, 0), true);
    }

    /// <summary>Begins with what has come.</summary>
    internal void LetGo()
    {
        lock (Gate)
            _isHeld = false;
        StartAll();
    }

    internal override bool IsCounted(InferRequest request) => request.Sequence is not null;

    internal override void Split(ExecutionBatch batch, ReadOnlySpan<InferRequest> requests)
    {
        base.Split(batch, requests);
        StateKeeper.Keep(batch, requests, _pool, isRunning: _isStreaming);
    }

    internal override void Answer(
        ExecutionBatch batch, ReadOnlySpan<InferRequest> requests, long startedAt, long gatheredAt, long inferredAt)
    {
        Split(batch, requests);
        var clients = ArrayPool<InferRequest>.Shared.Rent(requests.Length);
        var count = 0;
        foreach (var request in requests)
        {
            if (IsCounted(request))
                clients[count++] = request;
        }

        this.RecordSuccess(clients.AsSpan(0, count), count, startedAt, gatheredAt, inferredAt);
        ArrayPool<InferRequest>.Shared.Return(clients, clearArray: true);
    }

    internal override bool TryCut(InstanceRunner runner, bool isStarting)
    {
        List<InferRequest>? ended = null, shed;
        BatchDecision decision = default;
        lock (Gate)
        {
            var now = Now;
            var ready = _book.Ready(runner.Number);
            _book.DropLate(runner.Number, now, ref ended);
            shed = Shed(runner.Number, now);
            if (!_isHeld && ready.Count > 0)
                decision = _cutter.Decide(ready, runner.Number, now);
            if (decision.Take == 0)
            {
                _isIdle[runner.Number] = true;
                ScheduleFor(decision.WaitUntil);
                NoteRetired();
            }
            else
            {
                runner.Begin(now);
                var before = _book.QueuedCount;
                _cutter.Take(_book, runner, in decision);
                Statistics.AddPending(_book.QueuedCount - before);
            }

            Statistics.AddPending(-(ended?.Count ?? 0));
        }

        EndAllLater(ended);
        EndShedLater(shed);
        if (decision.Take > 0 && CanBatch)
            Statistics.RecordCut(decision.Reason);
        return decision.Take > 0;
    }

    internal override void FinishTurn(InstanceRunner runner)
    {
        InstanceRunner? next;
        lock (Gate)
        {
            runner.IsExecuting = false;
            runner.Clear();
            _isIdle[runner.Number] = true;
            next = TakeToStart(runner.Number, Now);
            NoteRetired();
        }

        next?.Start();
    }

    internal override void EndExecution(InstanceRunner runner)
    {
        List<InferRequest>? ended = null;
        lock (Gate)
        {
            var now = Now;
            runner.IsExecuting = false;
            var kept = 0;
            for (var i = 0; i < runner.Count; i++)
            {
                var request = runner[i];
                if (request.Sequence is null)
                    _cutter.Return(request);
                else if (_book.FinishStep(request, now, ref ended))
                    runner[kept++] = EndUnfinished(request, now);
                else
                    Statistics.AddPending(1);
            }

            runner.Truncate(kept);
            Statistics.AddPending(-(ended?.Count ?? 0));
            ScheduleFor(_book.NextDue);
        }

        EndAllLater(ended);
    }

    private protected override SequenceFigures? CountSequences()
    {
        lock (Gate)
            return new SequenceFigures(_book.Count, _book.WaitingCount);
    }

    private protected override void OnTimer()
    {
        List<InferRequest>? expired = null;
        lock (Gate)
        {
            if (IsDisposed)
                return;
            var now = Now;
            _book.ReleaseResting(now);
            _book.SweepBacklog(now, ref expired);
            NoteRetired();
            Statistics.AddPending(-(expired?.Count ?? 0));
            ScheduleFor(_book.NextDue);
        }

        RejectExpiredLater(expired, "timeout of the corresponding sequence has been expired");
        StartAll();
    }

    private protected override void OnCancelled(InferRequest request)
    {
        List<InferRequest>? ended = null;
        InstanceRunner? runner;
        var isNested = Monitor.IsEntered(Gate);
        lock (Gate)
        {
            request.IsCancelled = true;
            if (!TryWithdraw(request))
                return;
            var now = Now;
            runner = TakeToStart(_book.Abort(request, now, ref ended), now);
            NoteRetired();
            Statistics.AddPending(-(ended?.Count ?? 0));
            ScheduleFor(_book.NextDue);
        }

        if (isNested)
            EndLater(() => EndAll(ended));
        else
            EndAll(ended);
        runner?.Start();
    }

    /// <remarks>Whatever of the sequence still waits or runs, it cannot go on without this request.</remarks>
    private protected override bool TryWithdraw(InferRequest request)
    {
        (request.QueueOwner as InstanceRunner)?.Cancel(request);
        return request.Sequence is not null;
    }

    /// <remarks>Those that wait are watched from the beginning.</remarks>
    private protected override void WatchWaiting()
    {
    }

    private static IModelInstance Adapt(ModelSettings settings, IModelInstance instance) =>
        settings.IsDecoupled && instance is not IStreamingInstance ? new SingleResponseInstance(instance) : instance;

    /// <summary>Gives an instance to the caller to start, if it is idle and has a batch.</summary>
    private InstanceRunner? TakeToStart(int instance, long now)
    {
        if (instance < 0 || _isHeld || !_isIdle[instance] || _book.Ready(instance).Count == 0)
            return null;
        if (_cutter.HasDelay && _cutter.Decide(_book.Ready(instance), instance, now) is { Take: 0 } wait)
        {
            ScheduleFor(wait.WaitUntil);
            return null;
        }

        _isIdle[instance] = false;
        return _instances[instance];
    }

    private void StartAll()
    {
        for (var i = 0; i < Volatile.Read(ref _instances).Length; i++)
        {
            InstanceRunner? runner;
            lock (Gate)
                runner = TakeToStart(i, Now);
            runner?.Start();
        }
    }

    private void ScheduleFor(long dueAt)
    {
        if (dueAt is not (0 or long.MaxValue) && dueAt < ((ITimerTarget)this).DueAt)
            Timer.Schedule(this, dueAt);
    }

    /// <summary>Fails a request that was to run again and does not, since its caller has gone.</summary>
    private InferRequest EndUnfinished(InferRequest request, long now)
    {
        if (request is { IsRescheduled: true, IsOk: true })
        {
            RequestEndings.FailCancelled(request);
            Statistics.RecordCancelled(request.Status, now - request.ReceivedAt);
        }

        return request;
    }

    /// <summary>The same on the pool, where a waiter may dispose the model without meeting its instances' threads.</summary>
    private void EndAllLater(List<InferRequest>? ended)
    {
        if (ended is not null)
            ThreadPool.UnsafeQueueUserWorkItem(static work => work.Owner.EndAll(work.Ended), (Owner: this, Ended: ended), preferLocal: false);
    }

    /// <summary>Ends requests whose sequence was given up.</summary>
    private void EndAll(List<InferRequest>? ended)
    {
        if (ended is null)
            return;
        foreach (var request in ended)
        {
            request.QueueCancellation.Dispose();
            if (RequestEndings.IsLate(request, Now))
                RequestEndings.FailLate(request);
            EndCancelled(request);
        }
    }
}
