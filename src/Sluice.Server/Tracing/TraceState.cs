using System.Collections.Immutable;
using Sluice.Inference;

namespace Sluice.Server.Tracing;

/// <summary>A change of trace settings: each is given a value, cleared, or left alone.</summary>
public sealed record TraceChange
{
    /// <summary>Settings that fall back to the server's, or to those of the start.</summary>
    public ImmutableHashSet<string> Cleared { get; init; } = [];

    /// <summary>New level.</summary>
    public TraceLevel? Level { get; init; }

    /// <summary>New rate.</summary>
    public uint? Rate { get; init; }

    /// <summary>New count.</summary>
    public int? Count { get; init; }

    /// <summary>New number of traces per file.</summary>
    public uint? LogFrequency { get; init; }

    /// <summary>Lays a newer change over this one.</summary>
    /// <param name="newer">Wins.</param>
    /// <param name="leftCount">What is left of <see cref="Count"/> by now.</param>
    internal TraceChange Then(TraceChange newer, int leftCount) => new()
    {
        Level = newer.Cleared.Contains("trace_level") ? null : newer.Level ?? Level,
        Rate = newer.Cleared.Contains("trace_rate") ? null : newer.Rate ?? Rate,
        Count = newer.Cleared.Contains("trace_count") ? null : newer.Count ?? (Count is null ? null : leftCount),
        LogFrequency = newer.Cleared.Contains("log_frequency") ? null : newer.LogFrequency ?? LogFrequency,
    };

    /// <summary>Returns options with the values of this change in their place.</summary>
    internal TraceOptions Over(TraceOptions options) => options with
    {
        Level = Level ?? options.Level,
        Rate = Rate ?? options.Rate,
        Count = Count ?? options.Count,
        LogFrequency = LogFrequency ?? options.LogFrequency,
    };

    /// <summary>True when it changes nothing.</summary>
    internal bool IsEmpty => Level is null && Rate is null && Count is null && LogFrequency is null;
}

/// <summary>Holds the trace settings: those of the server and those that models have of their own (spec §1.8).</summary>
/// <remarks><b>Threads.</b> Any number of readers without a lock; changes one after the other.</remarks>
public sealed class TraceState
{
    private readonly Lock _writers = new();
    private readonly TraceOptions _defaults;
    private readonly Action<TraceSetting> _onClosed;
    private TraceChange _serverChange = new();
    private ImmutableDictionary<string, TraceChange> _modelChanges = ImmutableDictionary<string, TraceChange>.Empty;
    private volatile Settings _settings;

    /// <summary>Begins with the options of the start.</summary>
    /// <param name="defaults">What holds unless changed.</param>
    /// <param name="onClosed">Told each setting that another one has replaced.</param>
    public TraceState(TraceOptions defaults, Action<TraceSetting> onClosed)
    {
        _defaults = defaults;
        _onClosed = onClosed;
        _settings = new Settings(new TraceSetting(defaults), ImmutableDictionary<string, TraceSetting>.Empty);
        Switch.IsActive = _settings.Server.IsActive;
    }

    /// <summary>Whether any request could be traced.</summary>
    public TraceSwitch Switch { get; } = new();

    /// <summary>Returns what holds for a model.</summary>
    /// <param name="model">Its name; empty for the server's own settings.</param>
    public TraceSetting Find(string model)
    {
        var settings = _settings;
        return settings.Models.GetValueOrDefault(model, settings.Server);
    }

    /// <summary>Changes the settings of a model, or of the server when the name is empty.</summary>
    /// <exception cref="InferenceException">Nothing could be traced so; what held before holds.</exception>
    public void Update(string model, TraceChange change)
    {
        var closed = new List<TraceSetting>();
        lock (_writers)
        {
            var old = _settings;
            if (model.Length == 0)
                UpdateServer(old, change, closed);
            else
                UpdateModel(old, model, change, closed);
            Switch.IsActive = _settings.Server.IsActive || _settings.Models.Values.Any(setting => setting.IsActive);
        }

        foreach (var setting in closed)
        {
            setting.Close();
            _onClosed(setting);
        }
    }

    private void UpdateServer(Settings old, TraceChange change, List<TraceSetting> closed)
    {
        var server = _serverChange.Then(change, old.Server.Left);
        var setting = Create(server.Over(_defaults));

        // What a model does not say for itself follows the server.
        var models = old.Models.ToImmutableDictionary(pair => pair.Key, pair => Create(_modelChanges[pair.Key].Over(setting.Options)));
        _serverChange = server;
        closed.Add(old.Server);
        closed.AddRange(old.Models.Values);
        _settings = new Settings(setting, models);
    }

    private void UpdateModel(Settings old, string model, TraceChange change, List<TraceSetting> closed)
    {
        var before = _modelChanges.GetValueOrDefault(model, new TraceChange());
        var own = before.Then(change, old.Models.GetValueOrDefault(model)?.Left ?? 0);
        if (old.Models.TryGetValue(model, out var replaced))
            closed.Add(replaced);
        if (own.IsEmpty)
        {
            _modelChanges = _modelChanges.Remove(model);
            _settings = old with { Models = old.Models.Remove(model) };
            return;
        }

        var setting = Create(own.Over(old.Server.Options));
        _modelChanges = _modelChanges.SetItem(model, own);
        _settings = old with { Models = old.Models.SetItem(model, setting) };
    }

    private static TraceSetting Create(TraceOptions options)
    {
        var setting = new TraceSetting(options);
        return options.Level == TraceLevel.Off || setting.Fault.Length == 0
            ? setting
            : throw InferenceException.Invalid($"Attempting to set invalid trace setting :{setting.Fault}");
    }

    private sealed record Settings(TraceSetting Server, ImmutableDictionary<string, TraceSetting> Models);
}
