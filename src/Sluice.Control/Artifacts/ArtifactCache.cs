using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Sluice.Inference;

namespace Sluice.Control.Artifacts;

/// <summary>Keeps local copies of stored files in a folder. Files of this machine are lent where they are.</summary>
/// <remarks><b>Threads.</b> Any number of callers. The folder belongs to one process.</remarks>
public sealed class ArtifactCache : IArtifactCache, IDisposable
{
    private readonly ArtifactFetcher _fetcher;
    private readonly ArtifactStorage _storage;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly string _objects;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, CacheEntry> _entries = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, string> _localHashes = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stopping = new();
    private bool _isScanned;

    /// <summary>Creates it; the folder is looked at when the first file is asked for.</summary>
    public ArtifactCache(ArtifactStorage storage, ILogger<ArtifactCache> logger, TimeProvider time)
    {
        _storage = storage;
        _logger = logger;
        _time = time;
        _fetcher = new ArtifactFetcher(storage, logger, time);
        _objects = Path.Combine(storage.Options.CacheFolder, "objects");
    }

    /// <summary>Bytes of all copies.</summary>
    public long SizeBytes
    {
        get
        {
            lock (_lock)
                return _entries.Values.Sum(entry => entry.SizeBytes);
        }
    }

    /// <inheritdoc/>
    public async Task<ArtifactLease> AcquireAsync(
        ArtifactReference reference, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        var uri = ArtifactUri.Parse(reference.Uri);
        if (uri.Scheme == "file" && !reference.IsPackage)
            return await LendLocalAsync(reference, uri, cancellationToken).ConfigureAwait(false);
        var tag = reference.Sha256 is null ? await TagAsync(reference, cancellationToken).ConfigureAwait(false) : reference.Sha256;
        var key = CacheEntry.KeyOf(reference, tag);
        while (true)
        {
            var entry = Join(key, reference, progress);
            try
            {
                var copy = await entry.Copy.WaitAsync(cancellationToken).ConfigureAwait(false);
                return new ArtifactLease(copy.Path, copy.Sha256, () => Release(entry));
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested && !_stopping.IsCancellationRequested)
            {
                // The fetch was given up by those who waited for it before; this caller begins it again.
                Release(entry);
            }
            catch
            {
                Release(entry);
                throw;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stopping.Cancel();
        _stopping.Dispose();
    }

    private async Task<ArtifactLease> LendLocalAsync(ArtifactReference reference, ArtifactUri uri, CancellationToken cancellationToken)
    {
        var head = await _storage.HeadAsync(reference.Uri, cancellationToken).ConfigureAwait(false);
        var known = $"{uri.Path}|{head.SizeBytes}|{head.Tag}";
        if (!_localHashes.TryGetValue(known, out var sha256))
        {
            sha256 = await CacheEntry.HashAsync(uri.Path, cancellationToken).ConfigureAwait(false);
            _localHashes[known] = sha256;
        }

        ArtifactFetcher.Check(reference, head.SizeBytes, sha256);
        return new ArtifactLease(uri.Path, sha256);
    }

    private async Task<string> TagAsync(ArtifactReference reference, CancellationToken cancellationToken)
    {
        try
        {
            var head = await _storage.HeadAsync(reference.Uri, cancellationToken).ConfigureAwait(false);
            return $"{head.SizeBytes}|{head.Tag}";
        }
        catch (InferenceException error) when (error.Code == InferenceCode.Unavailable)
        {
            Scan();
            lock (_lock)
            {
                var known = _entries.Values.FirstOrDefault(entry => entry.Uri == reference.Uri && entry.Copy.IsCompletedSuccessfully);
                if (known is not null)
                    return known.Tag;
            }

            throw;
        }
    }

    /// <summary>Counts the caller in, and begins the fetch when nobody has.</summary>
    private CacheEntry Join(string key, ArtifactReference reference, IProgress<TransferProgress>? progress)
    {
        Scan();
        lock (_lock)
        {
            if (!_entries.TryGetValue(key, out var entry) || entry.Copy.IsFaulted || entry.Copy.IsCanceled)
            {
                entry = new CacheEntry(Path.Combine(_objects, key), reference.Uri);
                _entries[key] = entry;
                entry.Begin(token => _fetcher.FetchAsync(reference, entry, token), _stopping.Token);
            }
            else if (!entry.IsVerified)
            {
                entry.Begin(token => VerifyAsync(reference, entry, token), _stopping.Token);
            }

            entry.LeaseCount++;
            entry.Listen(progress);
            return entry;
        }
    }

    private async Task<CachedCopy> VerifyAsync(ArtifactReference reference, CacheEntry entry, CancellationToken cancellationToken)
    {
        if (await entry.ReadAsync(reference, cancellationToken).ConfigureAwait(false) is { } copy)
            return copy;
        ControlLog.CacheCorrupt(_logger, entry.Folder);
        return await _fetcher.FetchAsync(reference, entry, cancellationToken).ConfigureAwait(false);
    }

    private void Release(CacheEntry entry)
    {
        lock (_lock)
        {
            entry.LeaseCount--;
            entry.LastUsedAt = _time.GetUtcNow();
            if (entry.LeaseCount == 0 && !entry.Copy.IsCompleted)
                entry.GiveUp();
            Evict();
        }
    }

    private void Evict()
    {
        var size = _entries.Values.Sum(entry => entry.SizeBytes);
        var idle = _entries.Where(pair => pair.Value.LeaseCount == 0 && pair.Value.Copy.IsCompleted)
            .OrderBy(pair => pair.Value.LastUsedAt).ToList();
        foreach (var (key, entry) in idle)
        {
            var isBroken = !entry.Copy.IsCompletedSuccessfully;
            if (!isBroken && size <= _storage.Options.CacheBytes)
                continue;
            _entries.Remove(key);
            size -= entry.SizeBytes;
            if (!entry.TryDelete())
                continue;
            if (!isBroken)
                ControlLog.CacheEvicted(_logger, entry.Folder, entry.SizeBytes);
        }
    }

    /// <summary>Finds what an earlier process has left: whole copies are kept, unfinished ones removed.</summary>
    private void Scan()
    {
        lock (_lock)
        {
            if (_isScanned)
                return;
            _isScanned = true;
            Directory.CreateDirectory(_objects);
            foreach (var folder in Directory.GetDirectories(_objects))
            {
                if (CacheEntry.Load(folder) is { } entry)
                    _entries[Path.GetFileName(folder)] = entry;
                else
                    Directory.Delete(folder, recursive: true);
            }
        }
    }
}
