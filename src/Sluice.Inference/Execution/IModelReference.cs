namespace Sluice.Inference;

/// <summary>One loaded model version itself, whatever its name stands for by now.</summary>
/// <remarks>
/// <b>Ownership.</b> Each successful <see cref="TryAddReference"/> has one <see cref="Release"/>; the model stays loaded between the two.
/// <b>Threads.</b> Any, no lock.
/// </remarks>
public interface IModelReference
{
    /// <summary>The model; usable while a reference is held.</summary>
    IServable Servable { get; }

    /// <summary>Adds a user.</summary>
    /// <returns>False when the model has been retired and its last user has left.</returns>
    bool TryAddReference();

    /// <summary>Removes a user.</summary>
    void Release();
}
