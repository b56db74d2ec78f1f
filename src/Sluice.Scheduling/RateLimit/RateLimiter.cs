using Sluice.Inference;

namespace Sluice.Scheduling.RateLimit;

/// <summary>Lets instances of all models run only while the resources that they need are free (spec §3.5).</summary>
/// <remarks>
/// <para>Who waits is served by virtual time: each run of an instance moves it forward by its priority, so that one of priority 2
/// runs half as often as one of priority 1 while both want to. What a waiting instance needs is kept from those behind it, so a large need
/// is met in the end; those that need other things pass.</para>
/// <para><b>Threads.</b> Any number; the lock is held for counting only.</para>
/// </remarks>
internal sealed class RateLimiter(RateLimitOptions options)
{
    private const int GlobalDevice = -1;

    private readonly Lock _gate = new();
    private readonly Dictionary<(string Name, int Device), Store> _stores = [];
    private readonly List<RateLimitedSeat> _seats = [];
    private readonly List<RateLimitedSeat> _waiting = [];
    private long _virtualTime;

    /// <summary>Makes an instance's needs known.</summary>
    /// <param name="model">For messages.</param>
    /// <param name="settings">The needs; at least one.</param>
    /// <param name="device">Where the instance runs.</param>
    /// <returns>To be disposed with the instance.</returns>
    /// <exception cref="InferenceException"><see cref="InferenceCode.InvalidArgument"/>: there will never be enough.</exception>
    public RateLimitedSeat Add(string model, RateLimitSettings settings, int device)
    {
        lock (_gate)
        {
            var needs = settings.Needs.GroupBy(need => (need.Name, need.IsGlobal ? GlobalDevice : device))
                .Select(group => new SeatNeed(group.Key.Name, group.Key.Item2, group.Sum(need => need.Count))).ToArray();
            foreach (var need in needs)
                Check(model, need);
            var seat = new RateLimitedSeat(this, needs, Math.Max(1, settings.Priority));
            _seats.Add(seat);
            Measure();
            return seat;
        }
    }

    internal void Remove(RateLimitedSeat seat)
    {
        lock (_gate)
        {
            _seats.Remove(seat);

            // It may wait for a run that nobody wants any more; what it needs must not be kept from others.
            _waiting.Remove(seat);
            Measure();
        }

        Grant();
    }

    internal void Ask(RateLimitedSeat seat)
    {
        lock (_gate)
            Enqueue(seat);
        Grant();
    }

    internal void AskAgain(RateLimitedSeat seat)
    {
        lock (_gate)
        {
            GiveBack(seat);
            Enqueue(seat);
        }

        Grant();
    }

    internal void Release(RateLimitedSeat seat, bool isUnused)
    {
        lock (_gate)
        {
            GiveBack(seat);
            if (isUnused)
                seat.VirtualTime -= seat.Priority;
        }

        Grant();
    }

    private void Enqueue(RateLimitedSeat seat)
    {
        // Who was away has no claim to the runs that it did not want.
        seat.VirtualTime = Math.Max(seat.VirtualTime, _virtualTime);
        var place = _waiting.FindIndex(other => other.VirtualTime > seat.VirtualTime);
        _waiting.Insert(place < 0 ? _waiting.Count : place, seat);
        seat.BeginWait();
    }

    private void GiveBack(RateLimitedSeat seat)
    {
        foreach (var need in seat.Needs)
            _stores[need.Key].Free += need.Count;
    }

    /// <summary>Lets those run whose turn it is and who find what they need.</summary>
    private void Grant()
    {
        while (true)
        {
            RateLimitedSeat? next;
            lock (_gate)
                next = TakeNext();
            if (next is null)
                return;
            next.Start();
        }
    }

    private RateLimitedSeat? TakeNext()
    {
        foreach (var store in _stores.Values)
            store.Kept = false;
        for (var i = 0; i < _waiting.Count; i++)
        {
            var seat = _waiting[i];
            if (!Array.TrueForAll(seat.Needs, need => _stores[need.Key] is { Kept: false } store && store.Free >= need.Count))
            {
                foreach (var need in seat.Needs)
                    _stores[need.Key].Kept = true;
                continue;
            }

            _waiting.RemoveAt(i);
            foreach (var need in seat.Needs)
                _stores[need.Key].Free -= need.Count;
            _virtualTime = Math.Max(_virtualTime, seat.VirtualTime);
            seat.VirtualTime += seat.Priority;
            return seat;
        }

        return null;
    }

    private void Check(string model, SeatNeed need)
    {
        var isGlobal = need.Device == GlobalDevice;
        if (_seats.SelectMany(seat => seat.Needs).Any(other => other.Name == need.Name && (other.Device == GlobalDevice) != isGlobal))
            throw InferenceException.Invalid(
                $"model '{model}' takes rate limiter resource '{need.Name}' as {(isGlobal ? "global" : "one of its device")}, other " +
                $"instances take it as {(isGlobal ? "one of their device" : "global")}");
        if (Given(need.Name, need.Device) is { } total && total < need.Count)
            throw InferenceException.Invalid(
                $"an instance of model '{model}' needs {need.Count} of rate limiter resource '{need.Name}' for a run, and there are only {total}");
    }

    /// <summary>Of what the operator did not count there is as much as the neediest instance takes.</summary>
    private void Measure()
    {
        foreach (var group in _seats.SelectMany(seat => seat.Needs).GroupBy(need => need.Key))
        {
            var total = Given(group.Key.Name, group.Key.Device) ?? group.Max(need => need.Count);
            if (!_stores.TryGetValue(group.Key, out var store))
                _stores.Add(group.Key, store = new Store());
            store.Free += total - store.Total;
            store.Total = total;
        }
    }

    private long? Given(string name, int device)
    {
        var given = options.Resources.Where(resource => resource.Name == name).ToArray();
        return (Array.FindLast(given, resource => resource.Device == device && device != GlobalDevice)
            ?? Array.FindLast(given, resource => resource.Device is null || device == GlobalDevice))?.Count;
    }

    private sealed class Store
    {
        public long Total { get; set; }

        /// <summary>Below zero while a run that began with more goes on.</summary>
        public long Free { get; set; }

        /// <summary>Somebody further ahead waits for it.</summary>
        public bool Kept { get; set; }
    }
}

/// <summary>What an instance takes of one store.</summary>
/// <param name="Name">The resource.</param>
/// <param name="Device">The device, or -1 for a global one.</param>
/// <param name="Count">Units.</param>
internal readonly record struct SeatNeed(string Name, int Device, long Count)
{
    public (string Name, int Device) Key => (Name, Device);
}
