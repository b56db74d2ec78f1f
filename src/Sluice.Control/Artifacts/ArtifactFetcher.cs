using System.IO.Compression;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Sluice.Inference;

namespace Sluice.Control.Artifacts;

/// <summary>Fetches files with retries: goes on where a transfer broke off, begins again where its bytes were wrong.</summary>
internal sealed class ArtifactFetcher(ArtifactStorage storage, ILogger logger, TimeProvider time)
{
    private const int PieceBytes = 256 * 1024;
    private const int MostPackageFiles = 200_000;

    private static readonly TimeSpan ReportPeriod = TimeSpan.FromMilliseconds(200);

    /// <summary>Compares what is there with what is meant.</summary>
    /// <exception cref="InferenceException"><see cref="InferenceCode.DataLoss"/>: it is something else.</exception>
    public static void Check(ArtifactReference reference, long sizeBytes, string sha256)
    {
        if (reference.SizeBytes > 0 && reference.SizeBytes != sizeBytes)
            throw new InferenceException(
                InferenceCode.DataLoss,
                $"'{reference.Uri}' has {sizeBytes} bytes and not {reference.SizeBytes}: it was cut off or changed; upload it again");
        if (reference.Sha256 is { } expected && expected != sha256)
            throw new InferenceException(
                InferenceCode.DataLoss,
                $"'{reference.Uri}' has SHA-256 {sha256} and not {expected}: it was damaged or changed; upload it again");
    }

    /// <summary>Fetches a file into an entry's folder.</summary>
    public async Task<CachedCopy> FetchAsync(ArtifactReference reference, CacheEntry entry, CancellationToken cancellationToken)
    {
        if (Directory.Exists(entry.Folder))
            Directory.Delete(entry.Folder, recursive: true);
        Directory.CreateDirectory(entry.Content);
        var tag = reference.Sha256 ?? await TagAsync(reference, cancellationToken).ConfigureAwait(false);
        var path = Path.Combine(entry.Content, FileNameOf(reference));
        var sha256 = await DownloadAsync(reference, path, entry, cancellationToken).ConfigureAwait(false);
        if (reference.IsPackage)
        {
            var folder = Path.Combine(entry.Folder, "package");
            await Task.Run(() => Unpack(reference, path, folder, cancellationToken), cancellationToken).ConfigureAwait(false);
            File.Delete(path);
            path = folder;
        }

        return await entry.FinishAsync(path, sha256, tag, cancellationToken).ConfigureAwait(false);
    }

    private static string FileNameOf(ArtifactReference reference)
    {
        var name = Path.GetFileName(reference.FileName.Length > 0 ? reference.FileName : ArtifactUri.Parse(reference.Uri).FileName);
        return name is "" or "." or ".." ? "file" : name;
    }

    private async Task<string> TagAsync(ArtifactReference reference, CancellationToken cancellationToken)
    {
        var head = await storage.HeadAsync(reference.Uri, cancellationToken).ConfigureAwait(false);
        return $"{head.SizeBytes}|{head.Tag}";
    }

    private async Task<string> DownloadAsync(
        ArtifactReference reference, string path, CacheEntry entry, CancellationToken cancellationToken)
    {
        var file = new FileStream(path, FileMode.Create, FileAccess.ReadWrite, FileShare.Read, 1, FileOptions.Asynchronous);
        await using (file.ConfigureAwait(false))
        {
            using var transfer = new Transfer(reference, file, entry, time);
            for (var attempt = 1; ; attempt++)
            {
                try
                {
                    return await transfer.RunAsync(storage, cancellationToken).ConfigureAwait(false);
                }
                catch (Exception error) when (attempt < storage.Options.Attempts && MayHelp(error, cancellationToken))
                {
                    ControlLog.TransferRetried(logger, reference.Uri, attempt, error.Message);
                    await Task.Delay(storage.Options.RetryDelay * (1 << (attempt - 1)), time, cancellationToken).ConfigureAwait(false);
                }
                catch (Exception error) when (error is IOException or HttpRequestException)
                {
                    throw new InferenceException(
                        InferenceCode.Unavailable,
                        $"'{reference.Uri}' could not be fetched in {attempt} attempts: {error.Message}", error);
                }
            }
        }
    }

    private static bool MayHelp(Exception error, CancellationToken cancellationToken) => error switch
    {
        InferenceException known => known.Code is InferenceCode.Unavailable or InferenceCode.DataLoss,
        OperationCanceledException => !cancellationToken.IsCancellationRequested,
        IOException or HttpRequestException => true,
        _ => false,
    };

    /// <summary>Unpacks a folder; a path that would leave it is refused.</summary>
    private void Unpack(ArtifactReference reference, string path, string folder, CancellationToken cancellationToken)
    {
        try
        {
            using var zip = ZipFile.OpenRead(path);
            if (zip.Entries.Count > MostPackageFiles)
                throw new InvalidDataException($"it holds {zip.Entries.Count} files, and {MostPackageFiles} are the most");
            Directory.CreateDirectory(folder);
            var root = Path.GetFullPath(folder) + Path.DirectorySeparatorChar;
            var left = storage.Options.MaxBytes;
            foreach (var item in zip.Entries)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var target = Path.GetFullPath(Path.Combine(folder, item.FullName));
                if (!(target + Path.DirectorySeparatorChar).StartsWith(root, StringComparison.Ordinal))
                    throw new InvalidDataException($"'{item.FullName}' lies outside of it");
                left -= item.Length;
                if (left < 0)
                    throw new InvalidDataException($"unpacked it is larger than {storage.Options.MaxBytes} bytes");
                if (item.FullName.EndsWith('/'))
                {
                    Directory.CreateDirectory(target);
                    continue;
                }

                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                item.ExtractToFile(target, overwrite: false);
            }
        }
        catch (Exception error) when (error is InvalidDataException or IOException)
        {
            throw InferenceException.Invalid($"'{reference.Uri}' is no zip of a folder that can be unpacked: {error.Message}");
        }
    }

    /// <summary>One download over all its attempts: what has arrived stays hashed.</summary>
    private sealed class Transfer(ArtifactReference reference, FileStream file, CacheEntry entry, TimeProvider time) : IDisposable
    {
        private readonly byte[] _piece = new byte[PieceBytes];
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        private long _reportedAt;

        public async Task<string> RunAsync(ArtifactStorage storage, CancellationToken cancellationToken)
        {
            var content = await storage.OpenReadAsync(reference.Uri, file.Position, cancellationToken).ConfigureAwait(false);
            await using (content.ConfigureAwait(false))
            {
                while (await content.ReadAsync(_piece, cancellationToken).ConfigureAwait(false) is var count and > 0)
                {
                    if (file.Position + count > storage.Options.MaxBytes)
                        throw new InferenceException(
                            InferenceCode.ResourceExhausted,
                            $"'{reference.Uri}' is larger than the limit of {storage.Options.MaxBytes} bytes; --artifact-max-bytes raises it");
                    await file.WriteAsync(_piece.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
                    _hash.AppendData(_piece.AsSpan(0, count));
                    Report();
                }
            }

            if (file.Position < reference.SizeBytes)
                throw new IOException($"the transfer ended after {file.Position} of {reference.SizeBytes} bytes");
            try
            {
                var sha256 = Convert.ToHexStringLower(_hash.GetHashAndReset());
                Check(reference, file.Position, sha256);
                file.Flush(flushToDisk: true);
                return sha256;
            }
            catch (InferenceException)
            {
                // Some of it is wrong and nobody knows which part.
                file.SetLength(0);
                file.Position = 0;
                throw;
            }
        }

        public void Dispose() => _hash.Dispose();

        private void Report()
        {
            if (_reportedAt != 0 && time.GetElapsedTime(_reportedAt) < ReportPeriod)
                return;
            _reportedAt = time.GetTimestamp();
            entry.Report(new TransferProgress(file.Position, reference.SizeBytes));
        }
    }
}
