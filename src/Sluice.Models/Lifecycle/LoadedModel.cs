using Sluice.Inference;
using Sluice.Protocol.Inference;

namespace Sluice.Models;

/// <summary>Holds a servable and counts who uses it; disposes it when the last one has left.</summary>
/// <remarks><b>Threads.</b> Any number of callers, no lock.</remarks>
internal sealed class LoadedModel : IModelReference
{
    // Far enough below zero that no number of failed attempts at a time reaches it.
    private const int Dead = int.MinValue / 2;

    private static long _count;

    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _references = 1;
    private volatile ModelConfig _config;

    /// <param name="servable">Owned from now on.</param>
    /// <param name="config">Completed configuration.</param>
    /// <param name="key">What it was loaded from.</param>
    public LoadedModel(IServable servable, ModelConfig config, VersionKey key)
    {
        Servable = servable;
        _config = config;
        Key = key;
    }

    public IServable Servable { get; }

    /// <summary>Tells this load from every other one of the process.</summary>
    public long Number { get; } = Interlocked.Increment(ref _count);

    /// <summary>The completed configuration; another object after a change that needed no reload.</summary>
    public ModelConfig Config => _config;

    /// <summary>What it was loaded from; behind the gate of its slot.</summary>
    public VersionKey Key { get; private set; }

    /// <summary>A reference to the files that it was loaded from, when they came with a request; released at the end.</summary>
    public OverrideFolder? Overrides { get; init; }

    /// <summary>Notes a configuration that the model follows without having been loaded anew.</summary>
    public void Follow(ModelConfig config, VersionKey key) => (_config, Key) = (config, key);

    /// <inheritdoc/>
    public bool TryAddReference()
    {
        if (Interlocked.Increment(ref _references) > 0)
            return true;

        Interlocked.Decrement(ref _references);
        return false;
    }

    /// <inheritdoc/>
    public void Release()
    {
        // Between the two steps a reader of an older snapshot may still come in; then that reader's release ends it.
        if (Interlocked.Decrement(ref _references) == 0
            && Interlocked.CompareExchange(ref _references, Dead, 0) == 0)
            _drained.TrySetResult();
    }

    /// <summary>Gives up the owner's use, waits for all others and disposes the servable. Call once.</summary>
    public async Task RetireAsync()
    {
        Release();
        await _drained.Task.ConfigureAwait(false);
        try
        {
            await Servable.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            Overrides?.Release();
        }
    }
}

/// <summary>What a version was loaded from; equal keys need no reload.</summary>
/// <param name="Config">The configuration as written, without its version policy.</param>
/// <param name="Stamp">State of the version's files.</param>
internal sealed record VersionKey(ModelConfig Config, string Stamp)
{
    /// <summary>Nothing differs but where and how often the model runs.</summary>
    public bool IsSameButForInstances(VersionKey other) => Stamp == other.Stamp && WithoutInstances(Config).Equals(WithoutInstances(other.Config));

    private static ModelConfig WithoutInstances(ModelConfig config)
    {
        var copy = config.Clone();
        copy.InstanceGroup.Clear();
        return copy;
    }
}
