using System.Security.Cryptography;
using Sluice.Inference;

namespace Sluice.Control.Artifacts;

/// <summary>Stores files wherever an address says, hashed as they pass.</summary>
/// <remarks><b>Threads.</b> Any number of callers.</remarks>
public sealed class ArtifactStorage : IDisposable
{
    private readonly Dictionary<string, IObjectStore> _stores;

    /// <summary>Creates it; nothing is opened yet.</summary>
    /// <param name="options">The settings.</param>
    /// <param name="time">The clock, which signatures need.</param>
    public ArtifactStorage(ArtifactOptions options, TimeProvider time)
    {
        Options = options;
        var s3 = new S3Store(options.Credentials);
        var http = new HttpStore();
        _stores = new Dictionary<string, IObjectStore>(StringComparer.Ordinal)
        {
            ["file"] = new FileStore(),
            ["s3"] = s3,
            ["gs"] = s3,
            ["azure"] = new AzureStore(options.Credentials, time),
            ["http"] = http,
            ["https"] = http,
        };
    }

    /// <summary>The settings.</summary>
    public ArtifactOptions Options { get; }

    /// <summary>Begins to store a file; nobody sees it before it is complete.</summary>
    /// <exception cref="InferenceException">The address is none, or the store refuses.</exception>
    public async Task<ArtifactUpload> BeginUploadAsync(string address, CancellationToken cancellationToken)
    {
        var uri = ArtifactUri.Parse(address);
        var writer = await Find(uri).BeginWriteAsync(uri, cancellationToken).ConfigureAwait(false);
        return new ArtifactUpload(address, writer, Options.MaxBytes);
    }

    /// <summary>Reads a stored file from an offset on; the caller disposes the stream.</summary>
    public Task<Stream> OpenReadAsync(string address, long offset, CancellationToken cancellationToken)
    {
        var uri = ArtifactUri.Parse(address);
        return Find(uri).OpenReadAsync(uri, offset, cancellationToken);
    }

    /// <summary>Removes a stored file; one that is not there is no failure.</summary>
    public Task DeleteAsync(string address, CancellationToken cancellationToken)
    {
        var uri = ArtifactUri.Parse(address);
        return Find(uri).DeleteAsync(uri, cancellationToken);
    }

    /// <summary>Checks an address without asking its store.</summary>
    /// <exception cref="InferenceException"><see cref="InferenceCode.InvalidArgument"/>: nothing here can read it.</exception>
    public void Check(string address) => Find(ArtifactUri.Parse(address));

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var store in _stores.Values.Distinct().OfType<IDisposable>())
            store.Dispose();
    }

    internal Task<ObjectHead> HeadAsync(string address, CancellationToken cancellationToken)
    {
        var uri = ArtifactUri.Parse(address);
        return Find(uri).HeadAsync(uri, cancellationToken);
    }

    private IObjectStore Find(ArtifactUri uri) => _stores.GetValueOrDefault(uri.Scheme) ?? throw InferenceException.Invalid(
        $"'{uri.Text}' has scheme {uri.Scheme}, and files can be at: {string.Join(", ", _stores.Keys.Select(scheme => scheme + "://"))}");
}

/// <summary>One file on its way into a store. Disposing without completion leaves nothing behind.</summary>
/// <remarks><b>Threads.</b> One at a time.</remarks>
public sealed class ArtifactUpload : IAsyncDisposable
{
    private readonly ObjectWriter _writer;
    private readonly long _maxBytes;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    internal ArtifactUpload(string address, ObjectWriter writer, long maxBytes)
    {
        Address = address;
        _writer = writer;
        _maxBytes = maxBytes;
    }

    /// <summary>Where the file will be.</summary>
    public string Address { get; }

    /// <summary>Bytes so far.</summary>
    public long SizeBytes { get; private set; }

    /// <summary>Appends bytes; they may be used again when it completes.</summary>
    /// <exception cref="InferenceException"><see cref="InferenceCode.ResourceExhausted"/>: too large; or what the store says.</exception>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        SizeBytes += bytes.Length;
        if (SizeBytes > _maxBytes)
            throw new InferenceException(
                InferenceCode.ResourceExhausted, $"the file is larger than the limit of {_maxBytes} bytes; --artifact-max-bytes raises it");
        _hash.AppendData(bytes.Span);
        await _writer.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes the file visible.</summary>
    /// <param name="expectedSha256">What the sender says it is, hex; null or empty = nothing said.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <returns>SHA-256 of what was stored, lower-case hex.</returns>
    /// <exception cref="InferenceException"><see cref="InferenceCode.DataLoss"/>: it is something else; nothing is stored then.</exception>
    public async Task<string> CompleteAsync(string? expectedSha256, CancellationToken cancellationToken)
    {
        var actual = Convert.ToHexStringLower(_hash.GetHashAndReset());
        if (!string.IsNullOrEmpty(expectedSha256) && !string.Equals(expectedSha256, actual, StringComparison.OrdinalIgnoreCase))
            throw new InferenceException(
                InferenceCode.DataLoss,
                $"the {SizeBytes} bytes that arrived have SHA-256 {actual} and not {expectedSha256}: they were changed on the way; send them again");
        await _writer.CommitAsync(cancellationToken).ConfigureAwait(false);
        return actual;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _hash.Dispose();
        return _writer.DisposeAsync();
    }
}
