namespace Sluice.History.Reports;

/// <summary>All containers that are believed alive: those that other programs report, and this server's replicas.</summary>
/// <remarks><b>Threads.</b> Any number of callers; a lock is held for the change of one entry, or for the copy of a list.</remarks>
/// <param name="time">The clock.</param>
/// <param name="most">Most containers.</param>
public sealed class ContainerRegistry(TimeProvider time, int most = ReportLimits.Containers)
{
    /// <summary>How long a silent container is believed alive unless it says otherwise (spec clearml §6.1).</summary>
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(600);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, ContainerEntry> _entries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Dictionary<string, ContainerEntry>> _byUrl = new(StringComparer.Ordinal);
    private readonly HashSet<string> _changed = new(StringComparer.Ordinal);

    // Nobody dies before.
    private DateTimeOffset _nextEnd = DateTimeOffset.MaxValue;

    /// <summary>How many there are, dead ones that nobody has looked for included.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
                return _entries.Count;
        }
    }

    /// <summary>Enters a container; what was known of it is forgotten.</summary>
    /// <exception cref="ServingException">There are too many.</exception>
    public void Register(ContainerReport report)
    {
        var now = time.GetUtcNow();
        Write(new ContainerEntry
        {
            Key = ContainerEntry.KeyOf(report.ContainerId),
            Report = report,
            RegisteredAt = now,
            UpdatedAt = now,
            Timeout = report.Timeout ?? DefaultTimeout,
        });
    }

    /// <summary>Takes a status report; an unknown container is entered.</summary>
    /// <exception cref="ServingException">There are too many.</exception>
    public void Report(ContainerReport report)
    {
        var now = time.GetUtcNow();
        var key = ContainerEntry.KeyOf(report.ContainerId);
        lock (_lock)
        {
            var known = FindLive(key, now);
            WriteLocked(new ContainerEntry
            {
                Key = key,
                Report = report,
                RegisteredAt = known?.RegisteredAt ?? now,
                UpdatedAt = now,
                Timeout = known?.Timeout ?? DefaultTimeout,
            });
        }
    }

    /// <summary>Takes what a replica of this program says of an endpoint.</summary>
    /// <param name="entry">Its times are those of this call, but for a known one's first.</param>
    /// <param name="isNews">Other replicas are told of it; of one that is new or whose state is another they always are.</param>
    public void Report(ContainerEntry entry, bool isNews)
    {
        var now = time.GetUtcNow();
        lock (_lock)
        {
            var known = FindLive(entry.Key, now);
            var wasChanged = _changed.Contains(entry.Key);

            // Beyond the bound, too: there are as many as this replica serves.
            PutLocked(entry with { RegisteredAt = known?.RegisteredAt ?? now, UpdatedAt = now });
            _changed.Add(entry.Key);
            if (!isNews && !wasChanged && known?.Figures?.Phase == entry.Figures?.Phase)
                _changed.Remove(entry.Key);
        }
    }

    /// <summary>Removes a container; an unknown one is no fault.</summary>
    /// <param name="key">As <see cref="ContainerEntry.Key"/>.</param>
    public void Remove(string key)
    {
        lock (_lock)
        {
            if (RemoveLocked(key))
                _changed.Add(key);
        }
    }

    /// <summary>Lists containers by address, those without one under the empty text.</summary>
    public IReadOnlyDictionary<string, ContainerEntry[]> ByUrl()
    {
        lock (_lock)
        {
            Sweep();
            var groups = new Dictionary<string, ContainerEntry[]>(_byUrl.Count, StringComparer.Ordinal);
            foreach (var (url, entries) in _byUrl)
                groups.Add(url, [.. entries.Values]);
            return groups;
        }
    }

    /// <summary>Lists the containers of one address, by id.</summary>
    public IReadOnlyList<ContainerEntry> OfUrl(string url)
    {
        lock (_lock)
        {
            Sweep();
            return _byUrl.TryGetValue(url, out var entries)
                ? [.. entries.Values.OrderBy(entry => entry.Report.ContainerId, StringComparer.Ordinal)]
                : [];
        }
    }

    /// <summary>Takes what was changed here since the last call, for the store; null = removed.</summary>
    public IReadOnlyList<(string Key, ContainerEntry? Entry)> TakeChanges()
    {
        lock (_lock)
        {
            var changes = _changed.Select(key => (key, _entries.GetValueOrDefault(key))).ToList();
            _changed.Clear();
            return changes;
        }
    }

    /// <summary>Gives back changes that could not be stored.</summary>
    public void ReturnChanges(IEnumerable<string> keys)
    {
        lock (_lock)
        {
            _changed.UnionWith(keys);

            // While the store is away, containers that came and went need not be told.
            if (_changed.Count > most)
                _changed.RemoveWhere(key => !_entries.ContainsKey(key));
        }
    }

    /// <summary>Takes what another replica has stored; what is known here and newer stays.</summary>
    /// <param name="key">The container.</param>
    /// <param name="entry">Null = it is gone.</param>
    public void Follow(string key, ContainerEntry? entry)
    {
        lock (_lock)
        {
            if (_changed.Contains(key))
                return;
            if (entry is null)
                RemoveLocked(key);
            else if (entry.ExpiresAt > time.GetUtcNow() && (!_entries.TryGetValue(key, out var known) || known.UpdatedAt < entry.UpdatedAt) && HasRoom(key))
                PutLocked(entry);
        }
    }

    private bool HasRoom(string key) => _entries.Count < most || _entries.ContainsKey(key);

    private ContainerEntry? FindLive(string key, DateTimeOffset now) =>
        _entries.TryGetValue(key, out var entry) && entry.ExpiresAt > now ? entry : null;

    private void Write(ContainerEntry entry)
    {
        lock (_lock)
            WriteLocked(entry);
    }

    private void WriteLocked(ContainerEntry entry)
    {
        if (!HasRoom(entry.Key))
            Sweep();
        if (!HasRoom(entry.Key))
            throw ServingException.Validation($"there are {most} containers already, more are not taken");
        PutLocked(entry);
        _changed.Add(entry.Key);
    }

    private void PutLocked(ContainerEntry entry)
    {
        RemoveLocked(entry.Key);
        _entries[entry.Key] = entry;
        if (!_byUrl.TryGetValue(entry.Url ?? "", out var entries))
            _byUrl[entry.Url ?? ""] = entries = new Dictionary<string, ContainerEntry>(StringComparer.Ordinal);
        entries[entry.Key] = entry;
        if (entry.ExpiresAt < _nextEnd)
            _nextEnd = entry.ExpiresAt;
    }

    private bool RemoveLocked(string key)
    {
        if (!_entries.Remove(key, out var entry))
            return false;
        var entries = _byUrl[entry.Url ?? ""];
        entries.Remove(key);
        if (entries.Count == 0)
            _byUrl.Remove(entry.Url ?? "");
        return true;
    }

    /// <summary>Forgets the dead; all are looked at only when one may have died.</summary>
    private void Sweep()
    {
        var now = time.GetUtcNow();
        if (now < _nextEnd)
            return;
        foreach (var key in _entries.Values.Where(entry => entry.ExpiresAt <= now).Select(entry => entry.Key).ToList())
            RemoveLocked(key);
        _nextEnd = _entries.Count == 0 ? DateTimeOffset.MaxValue : _entries.Values.Min(entry => entry.ExpiresAt);
    }
}
