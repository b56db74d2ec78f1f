using Sluice.Inference;

namespace Sluice.Control.Endpoints;

/// <summary>Holds what runs an endpoint and counts the calls in it; disposes it when the last one has left.</summary>
/// <remarks><b>Threads.</b> Any number of callers, no lock.</remarks>
public sealed class LoadedEndpoint
{
    // Far enough below zero that no number of failed attempts at a time reaches it.
    private const int Dead = int.MinValue / 2;

    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Func<ValueTask> _release;
    private int _references = 1;

    /// <summary>Creates a holder with one reference, its owner's.</summary>
    /// <param name="runner">Owned from now on.</param>
    /// <param name="model">The model in the table; null when the endpoint has none there. Stays loaded by what <paramref name="release"/>
    /// gives back.</param>
    /// <param name="release">Gives back what the runner needed; called after its disposal.</param>
    public LoadedEndpoint(IEndpointRunner runner, IModelReference? model, Func<ValueTask> release)
    {
        Runner = runner;
        Model = model;
        _release = release;
    }

    /// <summary>Runs calls; usable while a reference is held.</summary>
    public IEndpointRunner Runner { get; }

    /// <summary>The model that it runs; null when it has none of this server's.</summary>
    public IModelReference? Model { get; }

    /// <summary>Name in the model table; null when the endpoint has no model there.</summary>
    public string? ModelName => Model?.Servable.Settings.Name;

    internal byte[] ModelNameUtf8 => Model?.Servable.Settings.NameUtf8 ?? [];

    /// <summary>Adds a user.</summary>
    /// <returns>False when the endpoint was retired and its last user has left.</returns>
    public bool TryAddReference()
    {
        if (Interlocked.Increment(ref _references) > 0)
            return true;
        Interlocked.Decrement(ref _references);
        return false;
    }

    /// <summary>Removes a user.</summary>
    public void Release()
    {
        // Between the two steps a reader of an older snapshot may still come in; then that reader's release ends it.
        if (Interlocked.Decrement(ref _references) == 0 && Interlocked.CompareExchange(ref _references, Dead, 0) == 0)
            _drained.TrySetResult();
    }

    /// <summary>Gives up the owner's use, waits for all calls and disposes the runner. Call once.</summary>
    public async Task RetireAsync()
    {
        Release();
        await _drained.Task.ConfigureAwait(false);
        try
        {
            await Runner.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            await _release().ConfigureAwait(false);
        }
    }
}
