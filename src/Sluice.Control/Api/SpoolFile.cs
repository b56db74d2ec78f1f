using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Sluice.Control.Artifacts;
using Sluice.Inference;

namespace Sluice.Control.Api;

/// <summary>A file that is kept aside until its hash is known. Gone when it is disposed.</summary>
/// <remarks><b>Threads.</b> One at a time.</remarks>
internal sealed class SpoolFile : IDisposable
{
    // User code is small; what is not belongs into the model registry.
    private const long MostBytes = 2L * 1024 * 1024 * 1024;

    private readonly FileStream _file;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    public SpoolFile(ArtifactOptions options)
    {
        var folder = Path.Combine(options.CacheFolder, "spool");
        Directory.CreateDirectory(folder);
        _file = new FileStream(
            Path.Combine(folder, Guid.NewGuid().ToString("n")), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 64 * 1024,
            FileOptions.Asynchronous | FileOptions.DeleteOnClose);
    }

    public long SizeBytes { get; private set; }

    public async Task WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        SizeBytes += bytes.Length;
        if (SizeBytes > MostBytes)
            throw new InferenceException(
                InferenceCode.ResourceExhausted, $"an artifact of a service may have {MostBytes} bytes; register larger files as models");
        _hash.AppendData(bytes.Span);
        await _file.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Returns the hash, lower-case hex, after comparing it with what the sender says.</summary>
    public string Complete(string expectedSha256)
    {
        var actual = Convert.ToHexStringLower(_hash.GetHashAndReset());
        return expectedSha256.Length == 0 || string.Equals(expectedSha256, actual, StringComparison.OrdinalIgnoreCase)
            ? actual
            : throw new InferenceException(
                InferenceCode.DataLoss,
                $"the {SizeBytes} bytes that arrived have SHA-256 {actual} and not {expectedSha256}: they were changed on the way; send them again");
    }

    /// <summary>Gives the contents in pieces; each is good until the next is asked for.</summary>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        _file.Position = 0;
        var buffer = new byte[256 * 1024];
        while (await _file.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is var count and > 0)
            yield return buffer.AsMemory(0, count);
    }

    public void Dispose()
    {
        _hash.Dispose();
        _file.Dispose();
    }
}
