namespace Sluice.Control.Artifacts;

/// <summary>How far a transfer is.</summary>
/// <param name="DoneBytes">Bytes that are there.</param>
/// <param name="TotalBytes">All bytes; 0 = not known.</param>
public readonly record struct TransferProgress(long DoneBytes, long TotalBytes)
{
    /// <summary>Share that is done, 0 to 1; 0 while the size is not known.</summary>
    public double Share => TotalBytes <= 0 ? 0 : Math.Min(1, (double)DoneBytes / TotalBytes);
}

/// <summary>Keeps local copies of stored files, checked against their hashes, up to a size.</summary>
/// <remarks><b>Threads.</b> Any number of callers; a file that several ask for is fetched once.</remarks>
public interface IArtifactCache
{
    /// <summary>Has a file here, fetching it when it is not, with retries.</summary>
    /// <param name="reference">The file.</param>
    /// <param name="progress">Told now and then; null = nobody asks.</param>
    /// <param name="cancellationToken">Ends the waiting; a fetch that others wait for goes on.</param>
    /// <returns>Dispose it when the path is not used any more: from then on the copy may be evicted.</returns>
    /// <exception cref="Inference.InferenceException"><c>NotFound</c>, <c>PermissionDenied</c>, <c>DataLoss</c> (wrong hash or size
    /// after all retries), <c>Unavailable</c> or <c>InvalidArgument</c> (address); the message names the address.</exception>
    Task<ArtifactLease> AcquireAsync(
        ArtifactReference reference, IProgress<TransferProgress>? progress, CancellationToken cancellationToken);
}
