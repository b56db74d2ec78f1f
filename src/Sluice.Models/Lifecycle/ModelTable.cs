using System.Buffers.Text;
using System.Collections.Frozen;
using System.Text;
using Sluice.Inference;

namespace Sluice.Models;

/// <summary>Finds models by name and version on every request.</summary>
/// <remarks>
/// <para>Two steps of indirection: names change seldom and live in a frozen table, states change at each load and live in
/// the model's slot. Each is replaced by one volatile write.</para>
/// <para><b>Threads.</b> Any number of callers; look-ups take no lock and allocate nothing unless they fail.</para>
/// </remarks>
public sealed class ModelTable
{
    private readonly Lock _writers = new();
    private volatile Names _names = new([]);
    private volatile bool _isStarting;

    /// <summary>Every model that was ever loaded or tried, by name.</summary>
    public IEnumerable<ModelSnapshot> Models => _names.Slots.Values
        .Select(s => s.Snapshot).OrderBy(s => s.Name, StringComparer.Ordinal);

    /// <summary>
    /// The models of the start are still being loaded: one that is not there yet may come, which is UNAVAILABLE and not NOT_FOUND.
    /// </summary>
    public bool IsStarting
    {
        get => _isStarting;
        internal set => _isStarting = value;
    }

    /// <summary>Finds the name of a model behind a name that no model has, by name and version as clients wrote them; null for
    /// none. Set once, before requests come.</summary>
    public Func<string, string, string?>? Aliases { get; set; }

    /// <summary>Finds a ready version and keeps it loaded.</summary>
    /// <param name="name">UTF-8.</param>
    /// <param name="version">Decimal digits; empty means the highest ready version.</param>
    /// <param name="lease">On success; the caller disposes it.</param>
    /// <param name="fault">On failure.</param>
    public bool TryAcquire(
        ReadOnlySpan<byte> name, ReadOnlySpan<byte> version, out ModelLease lease, out ModelLookupFault fault)
    {
        lease = default;
        if (!TryFindVersion(name, version, out var slot, out var number, out fault))
            return Aliases is not null && TryAcquireAlias(name, version, ref lease);

        while (true)
        {
            var snapshot = slot.Snapshot;
            var found = number is null ? snapshot.Latest : snapshot.Find(number.Value);
            if (found?.Loaded is not { } loaded)
            {
                fault = _isStarting ? ModelLookupFault.NotReady : Miss(snapshot, number, found);
                return false;
            }

            if (loaded.TryAddReference())
            {
                lease = new ModelLease(loaded);
                return true;
            }

            // It was retired after the snapshot was read, so a newer snapshot is already there.
        }
    }

    /// <summary>Finds a ready version and keeps it loaded.</summary>
    /// <param name="name">Name of the model.</param>
    /// <param name="version">Decimal digits; empty means the highest ready version.</param>
    /// <returns>The caller disposes it.</returns>
    /// <exception cref="InferenceException">With the codes and texts of spec §1.3, "Model lookup".</exception>
    public ModelLease Acquire(string name, string version) =>
        TryAcquire(Encoding.UTF8.GetBytes(name), Encoding.UTF8.GetBytes(version), out var lease, out var fault)
            ? lease
            : throw fault.ToException();

    /// <summary>Says whether a version takes requests; unknown models and versions do not.</summary>
    /// <param name="name">UTF-8.</param>
    /// <param name="version">Decimal digits; empty means any ready version.</param>
    /// <param name="fault">Set only when the version is no number.</param>
    public bool IsReady(ReadOnlySpan<byte> name, ReadOnlySpan<byte> version, out ModelLookupFault fault)
    {
        var isReady = TryAcquire(name, version, out var lease, out fault) && lease.Servable is { HangingCount: 0, IsHealthy: true };
        lease.Dispose();
        if (fault.Code != InferenceCode.InvalidArgument)
            fault = default;

        return isReady;
    }

    /// <summary>Returns one model's state.</summary>
    /// <returns>Null when nothing was ever tried with it.</returns>
    public ModelSnapshot? Find(string name) => FindSlot(name)?.Snapshot;

    internal ModelSlot? FindSlot(string name) => _names.Slots.GetValueOrDefault(Encoding.UTF8.GetBytes(name));

    /// <summary>Makes sure that the names have slots; one table is built for all of them.</summary>
    internal void AddSlots(IEnumerable<string> names)
    {
        lock (_writers)
        {
            var added = names.Distinct(StringComparer.Ordinal).Select(n => new ModelSlot(n))
                .Where(s => !_names.Slots.ContainsKey(s.NameUtf8)).ToArray();
            if (added.Length > 0)
                _names = new Names(_names.Slots.Values.Concat(added));
        }
    }

    internal ModelSlot GetOrAddSlot(string name)
    {
        AddSlots([name]);
        return FindSlot(name)!;
    }

    private bool TryAcquireAlias(ReadOnlySpan<byte> name, ReadOnlySpan<byte> version, ref ModelLease lease)
    {
        if (Aliases!(Encoding.UTF8.GetString(name), Encoding.UTF8.GetString(version)) is not { } model)
            return false;
        while (FindSlot(model)?.Snapshot.Latest?.Loaded is { } loaded)
        {
            if (!loaded.TryAddReference())
                continue;
            lease = new ModelLease(loaded);
            return true;
        }

        return false;
    }

    private bool TryFindVersion(
        ReadOnlySpan<byte> name,
        ReadOnlySpan<byte> version,
        out ModelSlot slot,
        out long? number,
        out ModelLookupFault fault)
    {
        fault = default;
        number = null;
        var isNumber = version.IsEmpty || TryParse(version, out number);
        if (_names.BySpan.TryGetValue(name, out slot!) && isNumber)
            return true;

        fault = isNumber
            ? _isStarting ? ModelLookupFault.NotReady : new(InferenceCode.NotFound, $"Request for unknown model: '{Encoding.UTF8.GetString(name)}' is not found")
            : BadVersion(Encoding.UTF8.GetString(version));
        return false;
    }

    private static bool TryParse(ReadOnlySpan<byte> version, out long? number)
    {
        var isNumber = Utf8Parser.TryParse(version, out long value, out var used)
            && used == version.Length && char.IsAsciiDigit((char)version[0]);
        number = value;
        return isNumber;
    }

    private static ModelLookupFault BadVersion(string text) => new(
        InferenceCode.InvalidArgument,
        text.Length > 1 && text[0] == '-' && long.TryParse(text, out _)
            ? $"invalid model version specified '{text}', version should be an integral value > 0"
            : $"failed to get model version from specified version string '{text}' (details: no decimal number), "
                + "version should be an integral value > 0");

    private static ModelLookupFault Miss(ModelSnapshot model, long? number, VersionSnapshot? found)
    {
        var start = $"Request for unknown model: '{model.Name}'";
        if (number is null)
            return new(InferenceCode.NotFound, $"{start} has no available versions");

        return found is null
            ? new(InferenceCode.NotFound, $"{start} version {number} is not found")
            : new(InferenceCode.Unavailable, $"{start} version {number} is not at ready state");
    }

    private sealed class Names
    {
        public Names(IEnumerable<ModelSlot> slots)
        {
            Slots = slots.ToFrozenDictionary(s => s.NameUtf8, Utf8NameComparer.Instance);
            BySpan = Slots.GetAlternateLookup<ReadOnlySpan<byte>>();
        }

        public FrozenDictionary<byte[], ModelSlot> Slots { get; }

        public FrozenDictionary<byte[], ModelSlot>.AlternateLookup<ReadOnlySpan<byte>> BySpan { get; }
    }
}
