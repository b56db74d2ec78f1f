using Sluice.Inference;

namespace Sluice.Control.Artifacts;

/// <summary>What a store says about one of its objects.</summary>
/// <param name="SizeBytes">Its size; -1 = not said.</param>
/// <param name="Tag">Changes when the object does; empty = not said.</param>
internal readonly record struct ObjectHead(long SizeBytes, string Tag);

/// <summary>Reads and writes objects of one kind of store.</summary>
/// <remarks><b>Threads.</b> Any number of callers. Failures are <see cref="InferenceException"/>: <c>NotFound</c>,
/// <c>PermissionDenied</c>, <c>InvalidArgument</c> or, where trying again may help, <c>Unavailable</c>.</remarks>
internal interface IObjectStore
{
    /// <summary>Asks about an object.</summary>
    Task<ObjectHead> HeadAsync(ArtifactUri uri, CancellationToken cancellationToken);

    /// <summary>Reads an object.</summary>
    /// <param name="uri">The object.</param>
    /// <param name="offset">Where to begin.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <returns>The caller disposes it.</returns>
    Task<Stream> OpenReadAsync(ArtifactUri uri, long offset, CancellationToken cancellationToken);

    /// <summary>Begins to write an object, which nobody sees before it is committed.</summary>
    Task<ObjectWriter> BeginWriteAsync(ArtifactUri uri, CancellationToken cancellationToken);

    /// <summary>Removes an object; one that is not there is no failure.</summary>
    Task DeleteAsync(ArtifactUri uri, CancellationToken cancellationToken);
}

/// <summary>Writes one object. Disposing without a commit leaves nothing behind.</summary>
/// <remarks><b>Threads.</b> One at a time.</remarks>
internal abstract class ObjectWriter : IAsyncDisposable
{
    /// <summary>Appends bytes; they may be used again when it completes.</summary>
    public abstract ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>Makes the object visible as a whole.</summary>
    public abstract Task CommitAsync(CancellationToken cancellationToken);

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();
}
