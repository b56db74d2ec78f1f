using System.Collections.Concurrent;
using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Protocol.Inference;

namespace Sluice.Models;

/// <summary>Loads, reloads and unloads models while others serve.</summary>
/// <remarks>
/// <para>Loads and unloads of one model happen one after the other; different models never wait for each other, except
/// for a free load thread.</para>
/// <para><b>Threads.</b> Any number of callers, after <see cref="StartAsync"/>.</para>
/// </remarks>
public sealed class ModelLifecycle : IAsyncDisposable
{
    private readonly ModelRepository _repository;
    private readonly LifecycleOptions _options;
    private readonly TimeProvider _time;
    private readonly VersionLoader _versions;
    private readonly ModelUpdater _updater;
    private readonly RepositoryFollower _follower;
    private readonly EnsembleGraph _ensembles;
    private readonly EnsembleFollower _followed;
    private readonly ConcurrentDictionary<string, bool> _managed = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationToken _stopToken;
    private PeriodicTimer? _timer;
    private Task _polling = Task.CompletedTask;
    private volatile bool _started;
    private bool _disposed;

    /// <summary>Connects the parts; loads nothing.</summary>
    /// <param name="repository">Where models are.</param>
    /// <param name="loader">Makes them servable.</param>
    /// <param name="options">Who decides, and how many at a time.</param>
    /// <param name="configOptions">What the server adds to configurations.</param>
    /// <param name="logger">One line per load and unload.</param>
    /// <param name="time">Clock of polls and load durations.</param>
    public ModelLifecycle(
        ModelRepository repository,
        IModelLoader loader,
        LifecycleOptions options,
        ModelConfigOptions configOptions,
        ILogger<ModelLifecycle> logger,
        TimeProvider time)
    {
        _repository = repository;
        _options = options;
        _time = time;
        _stopToken = _stopping.Token;
        _versions = new VersionLoader(loader, Table, options, configOptions, logger, time);
        _updater = new ModelUpdater(_versions, logger);
        _ensembles = new EnsembleGraph(Table);
        _followed = new EnsembleFollower(Table, _ensembles, _updater);
        _follower = new RepositoryFollower(
            repository, f => ApplyAsync(f.Name, () => f, replacement: null), UnloadModelAsync, f => EnsembleGraph.StepsOf(f, replacement: null), logger);
    }

    /// <summary>What requests look models up in.</summary>
    public ModelTable Table { get; } = new();

    /// <summary>True when the start is over and every model that was not unloaded on purpose is ready.</summary>
    /// <remarks>This is strict readiness; <see cref="IsStarted"/> is the other kind.</remarks>
    public bool IsReady => _started && Table.Models.All(m =>
        _managed.ContainsKey(m.Name) || (m.Fault.Length == 0 || m.Latest is not null) && m.Versions.All(IsSettled));

    /// <summary>True when the start is over, whatever became of the models.</summary>
    public bool IsStarted => _started;

    /// <summary>Tells whether a model belongs to an endpoint and not to a repository.</summary>
    public bool IsManaged(string name) => _managed.ContainsKey(name);

    /// <summary>Makes known, before anybody can ask, that <see cref="StartAsync"/> will load models.</summary>
    public void AnnounceStart() => Table.IsStarting = true;

    /// <summary>Loads the models of the start and, in poll mode, begins to follow the disk.</summary>
    /// <param name="cancellationToken">Ends the waiting, not the loads.</param>
    /// <returns>Models that failed; they touch no others.</returns>
    /// <exception cref="InferenceException">A repository cannot be read.</exception>
    public async Task<IReadOnlyList<ModelLoadFailure>> StartAsync(CancellationToken cancellationToken)
    {
        AnnounceStart();
        var failures = await LoadAtStartAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
        _started = true;
        Table.IsStarting = false;
        if (_options.Mode == ModelControlMode.Poll)
        {
            _timer = new PeriodicTimer(_options.PollPeriod, _time);
            _polling = _follower.RunAsync(_timer, Table.AddSlots, _stopToken);
        }

        return failures;
    }

    /// <summary>Loads a model, or reloads what has changed of it; returns when it is ready.</summary>
    /// <param name="name">A folder of a repository, or with <paramref name="files"/> any name.</param>
    /// <param name="configJson">Proto JSON that replaces the file on disk until the next load; null for none.</param>
    /// <param name="files">Files by <c>VERSION/PATH</c> that replace all of the model's folder until the next load; empty for
    /// none. They are written to a temporary folder, which goes with the model.</param>
    /// <param name="cancellationToken">Ends the waiting, not the load.</param>
    /// <exception cref="InferenceException">
    /// <see cref="InferenceCode.Unavailable"/> when the mode is not explicit or the server starts or stops;
    /// <see cref="InferenceCode.Internal"/> when no repository has the model;
    /// <see cref="InferenceCode.InvalidArgument"/> when the name, the configuration or the load fails. What served
    /// before still serves then.
    /// </exception>
    public async Task LoadAsync(
        string name, string? configJson, IReadOnlyDictionary<string, ReadOnlyMemory<byte>> files,
        CancellationToken cancellationToken)
    {
        CheckExplicit();
        ModelNames.Check(name);
        var replacement = configJson is null ? null : ModelConfigFile.ReadJson(name, configJson);
        if (files.Count > 0 && replacement is null)
            throw InferenceException.Invalid(
                $"failed to load '{name}', a 'config' parameter must be given together with 'file:' parameters");
        if (files.Count == 0 && _repository.Find(name) is null)
            throw new InferenceException(InferenceCode.Internal, NotInRepository(name));

        _ensembles.MarkLoaded(name, asStep: false);
        var loading = files.Count == 0
            ? ApplyUnlessStoppingAsync(name, () => _repository.Find(name), replacement)
            : ApplyFilesAsync(name, files, replacement!);
        var failure = await loading.WaitAsync(cancellationToken).ConfigureAwait(false);
        if (failure is not null)
            throw InferenceException.Invalid($"load failed for model '{name}': {failure.Reason}");
    }

    /// <summary>Stops serving a model; returns when it takes no new requests. An unknown model is no error.</summary>
    /// <param name="name">Any name.</param>
    /// <param name="withDependents">Unload the ensembles that have it as a step, too, and the models that were loaded only because an
    /// ensemble among these needs them. Else such ensembles are not available until the model is back.</param>
    /// <param name="cancellationToken">Ends the waiting, not the unload.</param>
    /// <exception cref="InferenceException">
    /// <see cref="InferenceCode.Unavailable"/> when the mode is not explicit or the server starts;
    /// <see cref="InferenceCode.InvalidArgument"/> for an empty name.
    /// </exception>
    public Task UnloadAsync(string name, bool withDependents, CancellationToken cancellationToken)
    {
        CheckExplicit();
        ModelNames.Check(name);
        string[] others = withDependents ? [.. _ensembles.GoingWith(name)] : [];
        return UnloadAllAsync([name, .. others]).WaitAsync(cancellationToken);
    }

    /// <summary>Loads a model of the control plane, whatever the mode, beside one of that name that may be serving.</summary>
    /// <remarks>Such a model does not count for <see cref="IsReady"/>: its endpoint has a state of its own.</remarks>
    /// <param name="name">No model of a repository has it.</param>
    /// <param name="root">A folder that holds the model's folder by its name. Taken over: it is removed when nothing uses it any
    /// more, also after a failure.</param>
    /// <param name="config">Takes the place of a configuration file.</param>
    /// <returns>The model, not callable by its name yet.</returns>
    /// <exception cref="InferenceException">It cannot be loaded.</exception>
    public async Task<StagedModel> StageManagedAsync(string name, string root, ModelConfig config)
    {
        var overrides = OverrideFolder.Adopt(root, name);
        try
        {
            ModelNames.Check(name);
            if (_repository.Find(name) is not null)
                throw new InferenceException(
                    InferenceCode.AlreadyExists, $"a model repository has a model '{name}' already; rename the endpoint or that model");
            var folder = _repository.Read(name, overrides.ModelPath) with { Overrides = overrides };
            var predecessor = Table.Find(name)?.Latest?.Loaded;
            return new StagedModel(this, await _updater.LoadApartAsync(folder, config, predecessor, _stopToken).ConfigureAwait(false));
        }
        catch (OperationCanceledException e) when (_stopToken.IsCancellationRequested)
        {
            throw new InferenceException(InferenceCode.Unavailable, "Server exiting", e);
        }
        finally
        {
            overrides.Release();
        }
    }

    /// <summary>Stops serving a model of <see cref="StageManagedAsync"/>; returns when it takes no new requests.</summary>
    public Task UnloadManagedAsync(string name) => UnloadModelAsync(name);

    /// <summary>Says whether calls by its name reach this very model.</summary>
    public bool IsServing(IModelReference model) =>
        ReferenceEquals(Table.Find(model.Servable.Settings.Name)?.Latest?.Loaded, model);

    /// <summary>Lists the models of the repositories and those that are still loaded.</summary>
    /// <param name="readyOnly">Leaves out what is not ready.</param>
    /// <exception cref="InferenceException">A repository cannot be read.</exception>
    public IReadOnlyList<ModelIndexEntry> Index(bool readyOnly)
    {
        var known = Table.Models.ToDictionary(m => m.Name, StringComparer.Ordinal);
        var untried = _repository.Names().Where(n => !known.ContainsKey(n))
            .Select(n => new ModelIndexEntry(n, "", State: null, ""));
        return [.. known.Values.Where(m => m.Latest is not null || !_managed.ContainsKey(m.Name)).SelectMany(Entries).Concat(untried)
            .Where(e => !readyOnly || e.State == ModelState.Ready)
            .OrderBy(e => e.Name, StringComparer.Ordinal)];
    }

    /// <summary>Stops following the disk, unloads everything and waits until all requests have ended.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true))
            return;

        await _stopping.CancelAsync().ConfigureAwait(false);
        await _polling.ConfigureAwait(false);
        _timer?.Dispose();
        await Task.WhenAll(Table.Models.Select(m => UnloadModelAsync(m.Name))).ConfigureAwait(false);
        await _updater.DrainAsync().ConfigureAwait(false);
        _versions.Dispose();
        _stopping.Dispose();
    }

    internal async Task PublishAsync(LoadedModel loaded)
    {
        var name = loaded.Servable.Settings.Name;
        _managed[name] = true;
        var slot = Table.GetOrAddSlot(name);
        await slot.Gate.WaitAsync().ConfigureAwait(false);
        try
        {
            _updater.Publish(slot, loaded);
        }
        finally
        {
            slot.Gate.Release();
        }

        await _followed.FollowAsync(name, _stopToken).ConfigureAwait(false);
    }

    private static string NotInRepository(string name) =>
        $"failed to load '{name}', failed to poll from model repository";

    private static bool IsSettled(VersionSnapshot version) => version.State switch
    {
        ModelState.Ready => version.Servable is null or { HangingCount: 0, IsHealthy: true },
        ModelState.Unloading => true,
        ModelState.Unavailable => version.Reason == ModelUpdater.Unloaded,
        _ => false,
    };

    private static IEnumerable<ModelIndexEntry> Entries(ModelSnapshot model) =>
        model.Versions.Length > 0 && (model.Fault.Length == 0 || model.Latest is not null)
            ? model.Versions.Select(v => new ModelIndexEntry(model.Name, v.Text, v.State, v.Reason))
            : [new ModelIndexEntry(
                model.Name, "", model.Fault.Length > 0 ? ModelState.Unavailable : null, model.Fault)];

    private async Task<IReadOnlyList<ModelLoadFailure>> LoadAtStartAsync()
    {
        if (_options.Mode != ModelControlMode.Explicit)
            return await _follower.FollowAsync(Table.AddSlots).ConfigureAwait(false);

        var all = _repository.Names();
        var names = _options.StartupModels.Contains("*") ? all : _options.StartupModels.Distinct().ToArray();
        var failures = await Task.WhenAll(names.Select(LoadNamedAsync)).ConfigureAwait(false);
        return [.. failures.OfType<ModelLoadFailure>()];
    }

    private async Task<ModelLoadFailure?> LoadNamedAsync(string name)
    {
        try
        {
            ModelNames.Check(name);
        }
        catch (InferenceException e)
        {
            return new ModelLoadFailure(name, e.Message);
        }

        return _repository.Find(name) is not null
            ? await ApplyWithStepsAsync(name, () => _repository.Find(name), replacement: null, []).ConfigureAwait(false)
            : new ModelLoadFailure(name, NotInRepository(name));
    }

    private async Task<ModelLoadFailure?> ApplyFilesAsync(
        string name, IReadOnlyDictionary<string, ReadOnlyMemory<byte>> files, ModelConfig replacement)
    {
        var overrides = OverrideFolder.Create(name, files);
        try
        {
            var folder = _repository.Read(name, overrides.ModelPath) with { Overrides = overrides };
            return await ApplyUnlessStoppingAsync(name, () => folder, replacement).ConfigureAwait(false);
        }
        finally
        {
            overrides.Release();
        }
    }

    private async Task<ModelLoadFailure?> ApplyUnlessStoppingAsync(
        string name, Func<ModelFolder?> look, ModelConfig? replacement)
    {
        try
        {
            return await ApplyWithStepsAsync(name, look, replacement, []).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (_stopToken.IsCancellationRequested)
        {
            throw new InferenceException(InferenceCode.Unavailable, "Server exiting", e);
        }
    }

    /// <summary>Loads an ensemble after the models that it consists of; those that no repository has are left to others.</summary>
    private async Task<ModelLoadFailure?> ApplyWithStepsAsync(
        string name, Func<ModelFolder?> look, ModelConfig? replacement, ImmutableHashSet<string> above)
    {
        var within = above.Add(name);
        var steps = look() is { } folder ? EnsembleGraph.StepsOf(folder, replacement) : [];
        await Task.WhenAll(steps.Where(step => !within.Contains(step) && _repository.Find(step) is not null).Select(step =>
        {
            _ensembles.MarkLoaded(step, asStep: true);
            return ApplyWithStepsAsync(step, () => _repository.Find(step), replacement: null, within);
        })).ConfigureAwait(false);
        return await ApplyAsync(name, look, replacement).ConfigureAwait(false);
    }

    private async Task<ModelLoadFailure?> ApplyAsync(string name, Func<ModelFolder?> look, ModelConfig? replacement)
    {
        var slot = Table.GetOrAddSlot(name);
        await slot.Gate.WaitAsync(_stopToken).ConfigureAwait(false);
        string? reason;
        try
        {
            // Looked at behind the gate: what an earlier caller saw may be older than what is loaded.
            reason = look() is { } folder
                ? await _followed.ApplyAsync(slot, folder, replacement, _stopToken).ConfigureAwait(false)
                : NotInRepository(name);
        }
        finally
        {
            slot.Gate.Release();
        }

        await _followed.FollowAsync(name, _stopToken).ConfigureAwait(false);
        return reason is null ? null : new ModelLoadFailure(name, reason);
    }

    private async Task UnloadAllAsync(string[] names)
    {
        foreach (var name in names)
            await UnloadModelAsync(name).ConfigureAwait(false);
    }

    private async Task UnloadModelAsync(string name)
    {
        if (Table.FindSlot(name) is not { } slot)
            return;

        await slot.Gate.WaitAsync().ConfigureAwait(false);
        try
        {
            _ensembles.Forget(name);
            _ensembles.MarkLoaded(name, asStep: false);
            _updater.Unload(slot);
        }
        finally
        {
            slot.Gate.Release();
        }

        if (!_stopToken.IsCancellationRequested)
            await _followed.FollowAsync(name, _stopToken).ConfigureAwait(false);
    }

    private void CheckExplicit()
    {
        if (Table.IsStarting)
            throw ModelLookupFault.NotReady.ToException();
        if (_options.Mode != ModelControlMode.Explicit)
            throw new InferenceException(
                InferenceCode.Unavailable, "explicit model load / unload is not allowed if polling is enabled");
    }
}
