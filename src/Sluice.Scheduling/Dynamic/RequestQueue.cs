using System.Diagnostics;
using Sluice.Inference;
using Sluice.Scheduling.Overload;

namespace Sluice.Scheduling.Dynamic;

/// <summary>Requests that wait for one model, by priority level and, within a level, in fair turns of their callers; every operation but
/// the time-out sweep is constant time.</summary>
/// <remarks>
/// <para>Models without levels of their own have four: 1 before all others, 2, 3 for requests that name none, 4 for background work.</para>
/// <para><b>Threads.</b> None of its own: the scheduler that owns it holds its lock around every call.</para>
/// </remarks>
internal sealed class RequestQueue
{
    private const int OwnLevels = 4;
    private const int OwnDefaultLevel = 3;

    private readonly Level[] _levels;
    private readonly int _defaultLevel;
    private readonly int _maxCount;

    /// <summary>Creates an empty queue.</summary>
    /// <param name="settings">Levels and bounds; null = no bounds of its own.</param>
    /// <param name="maxCount">Most requests of all levels together.</param>
    public RequestQueue(DynamicBatchingSettings? settings, int maxCount)
    {
        var levels = settings is { PriorityLevels: > 0 } ? settings.PriorityLevels : OwnLevels;
        _levels = new Level[levels];
        for (var i = 0; i < levels; i++)
        {
            var policy = settings?.PriorityQueuePolicies.GetValueOrDefault(i + 1) ?? settings?.DefaultQueuePolicy ?? new();
            _levels[i] = new Level(policy);
        }

        _defaultLevel = settings is { PriorityLevels: > 0 } ? Math.Clamp(settings.DefaultPriorityLevel - 1, 0, levels - 1) : OwnDefaultLevel - 1;
        _maxCount = maxCount;
        HasTimeouts = _levels.Any(level => level.HasTimeouts);
    }

    /// <summary>Requests waiting.</summary>
    public int Count { get; private set; }

    /// <summary>Their rows together.</summary>
    public long RowCount { get; private set; }

    /// <summary>Some level limits the waiting time.</summary>
    public bool HasTimeouts { get; }

    /// <summary>The request that would be taken first.</summary>
    public InferRequest? First
    {
        get
        {
            foreach (var level in _levels)
            {
                if (level.First is { } first)
                    return first;
            }

            return null;
        }
    }

    /// <summary>When a waiting request's time in the queue is over; <see cref="long.MaxValue"/> = never.</summary>
    public static long ExpiryOf(InferRequest request) =>
        request.QueueOwner is Level level ? level.ExpiryOf(request) : long.MaxValue;

    /// <summary>Adds a request behind the others of its level.</summary>
    /// <returns>False when a bound is reached.</returns>
    public bool TryEnqueue(InferRequest request)
    {
        var level = LevelOf(request);
        if (Count >= _maxCount || !level.HasRoom)
            return false;
        level.AddLast(request);
        request.QueueOwner = level;
        Count++;
        RowCount += request.RowCount;
        return true;
    }

    /// <summary>Counts what would be taken before a request, were it added now; callers' turns left aside.</summary>
    public (int Count, long Rows) Ahead(InferRequest request)
    {
        var level = LevelOf(request);
        var (count, rows) = (0, 0L);
        foreach (var ahead in _levels)
        {
            count += ahead.Count;
            rows += ahead.RowCount;
            if (ReferenceEquals(ahead, level))
                break;
        }

        return (count, rows);
    }

    /// <summary>Tells how long a request may wait before it would be refused; <see cref="long.MaxValue"/> = for ever.</summary>
    public long MostWait(InferRequest request) => LevelOf(request) is { HasTimeouts: true, Policy.TimeoutAction: QueueTimeoutAction.Reject } level &&
        level.ExpiryOf(request) is var expiry and < long.MaxValue ? expiry - request.QueuedAt : long.MaxValue;

    /// <summary>Takes a request out, wherever it stands.</summary>
    /// <returns>False when it was taken before.</returns>
    public bool TryRemove(InferRequest request)
    {
        if (request.QueueOwner is not Level level)
            return false;
        level.Remove(request);
        request.QueueOwner = null;
        Count--;
        RowCount -= request.RowCount;
        return true;
    }

    /// <summary>Returns the request behind another one in the order of taking.</summary>
    public InferRequest? After(InferRequest request)
    {
        if (request.QueueNext is { } next)
            return next;
        for (var i = Array.IndexOf(_levels, (Level)request.QueueOwner!) + 1; i < _levels.Length; i++)
        {
            if (_levels[i].First is { } first)
                return first;
        }

        return null;
    }

    /// <summary>Handles requests whose time in the queue is over.</summary>
    /// <param name="now">The clock.</param>
    /// <param name="rejected">Receives those taken out to be refused.</param>
    /// <returns>When the next one runs out; <see cref="long.MaxValue"/> = none.</returns>
    public long SweepTimeouts(long now, List<InferRequest> rejected)
    {
        var next = long.MaxValue;
        if (!HasTimeouts)
            return next;
        foreach (var level in _levels)
        {
            for (var request = level.First; request is not null;)
            {
                var following = request.QueueNext;
                var expiry = level.ExpiryOf(request);
                if (expiry > now)
                {
                    next = Math.Min(next, expiry);
                }
                else if (level.Policy.TimeoutAction == QueueTimeoutAction.Reject)
                {
                    TryRemove(request);
                    rejected.Add(request);
                }
                else
                {
                    level.MoveBehind(request);
                }

                request = following;
            }
        }

        return next;
    }

    /// <summary>Level 0 and levels that do not exist mean the default one, as in the original.</summary>
    private Level LevelOf(InferRequest request) =>
        request.Priority is 0 || request.Priority > (ulong)_levels.Length
            ? _levels[_defaultLevel]
            : _levels[(int)request.Priority - 1];

    /// <summary>Requests of one priority, in the order of taking.</summary>
    private sealed class Level(QueuePolicySettings policy)
    {
        private readonly long _defaultTicks = Ticks(policy.DefaultTimeoutMicroseconds);
        private FairRounds? _rounds;
        private RequestList _requests;

        public int Count => _requests.Count;

        public long RowCount { get; private set; }

        public QueuePolicySettings Policy => policy;

        public InferRequest? First => _requests.First;

        public bool HasTimeouts => _defaultTicks > 0 || policy.AllowTimeoutOverride;

        public bool HasRoom => policy.MaxQueueSize == 0 || Count < policy.MaxQueueSize;

        public long ExpiryOf(InferRequest request)
        {
            if (request.IsDelayed)
                return long.MaxValue;
            var ticks = _defaultTicks > 0 ? _defaultTicks : long.MaxValue;
            if (policy.AllowTimeoutOverride && request.TimeoutMicroseconds > 0)
                ticks = Math.Min(ticks, Ticks(request.TimeoutMicroseconds));
            return ticks > long.MaxValue - request.QueuedAt ? long.MaxValue : request.QueuedAt + ticks;
        }

        /// <summary>Clients say "never" by huge numbers, which end at the clock's end.</summary>
        private static long Ticks(long microseconds) => microseconds <= long.MaxValue / Stopwatch.Frequency
            ? microseconds * Stopwatch.Frequency / 1_000_000
            : (long)Math.Min(microseconds / 1e6 * Stopwatch.Frequency, long.MaxValue);

        /// <summary>Lets all others pass; the request does not run out again.</summary>
        public void MoveBehind(InferRequest request)
        {
            Remove(request);
            request.IsDelayed = true;
            AddLast(request);
        }

        public void AddLast(InferRequest request)
        {
            // Delayed requests stand behind all others.
            _requests.Insert(request, request.IsDelayed ? _requests.Last : (_rounds ??= new FairRounds()).Place(request));
            RowCount += request.RowCount;
        }

        public void Remove(InferRequest request)
        {
            if (!request.IsDelayed)
                _rounds!.Remove(request, isFirst: ReferenceEquals(First, request));
            _requests.Remove(request);
            RowCount -= request.RowCount;
        }
    }
}
