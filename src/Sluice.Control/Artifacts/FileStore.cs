using Sluice.Inference;

namespace Sluice.Control.Artifacts;

/// <summary>Objects as files of this machine or of a mounted share.</summary>
internal sealed class FileStore : IObjectStore
{
    private const int BufferBytes = 128 * 1024;

    public Task<ObjectHead> HeadAsync(ArtifactUri uri, CancellationToken cancellationToken) => Guard(uri, () =>
    {
        var file = new FileInfo(uri.Path);
        return file.Exists
            ? Task.FromResult(new ObjectHead(file.Length, $"{file.LastWriteTimeUtc.Ticks:x}"))
            : throw new FileNotFoundException("there is no such file");
    });

    public Task<Stream> OpenReadAsync(ArtifactUri uri, long offset, CancellationToken cancellationToken) => Guard(uri, () =>
    {
        var stream = new FileStream(
            uri.Path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, BufferBytes,
            FileOptions.Asynchronous | FileOptions.SequentialScan);
        stream.Position = offset;
        return Task.FromResult<Stream>(stream);
    });

    public Task<ObjectWriter> BeginWriteAsync(ArtifactUri uri, CancellationToken cancellationToken) => Guard(uri, () =>
    {
        Directory.CreateDirectory(Path.GetDirectoryName(uri.Path)!);
        return Task.FromResult<ObjectWriter>(new Writer(uri));
    });

    public Task DeleteAsync(ArtifactUri uri, CancellationToken cancellationToken) => Guard(uri, () =>
    {
        if (File.Exists(uri.Path))
            File.Delete(uri.Path);
        return Task.FromResult(true);
    });

    private static async Task<T> Guard<T>(ArtifactUri uri, Func<Task<T>> work)
    {
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (Exception error) when (Translate(uri, error) is { } translated)
        {
            throw translated;
        }
    }

    private static InferenceException? Translate(ArtifactUri uri, Exception error) => error switch
    {
        FileNotFoundException or DirectoryNotFoundException =>
            new(InferenceCode.NotFound, $"'{uri.Text}' does not exist on this machine", error),
        UnauthorizedAccessException => new(InferenceCode.PermissionDenied, $"'{uri.Text}' may not be used: {error.Message}", error),
        IOException => new(InferenceCode.Unavailable, $"'{uri.Text}' cannot be used: {error.Message}", error),
        _ => null,
    };

    /// <summary>Writes beside the place of the file and puts it there in one step, after it is on the disk.</summary>
    private sealed class Writer : ObjectWriter
    {
        private readonly ArtifactUri _uri;
        private readonly string _temporary;
        private readonly FileStream _stream;
        private bool _isCommitted;

        public Writer(ArtifactUri uri)
        {
            _uri = uri;
            _temporary = $"{uri.Path}.{Guid.NewGuid():n}.part";
            _stream = new FileStream(_temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, BufferBytes, FileOptions.Asynchronous);
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
            await Guard(_uri, async () =>
            {
                await _stream.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
                return true;
            }).ConfigureAwait(false);

        public override Task CommitAsync(CancellationToken cancellationToken) => Guard(_uri, async () =>
        {
            await _stream.FlushAsync(cancellationToken).ConfigureAwait(false);
            _stream.Flush(flushToDisk: true);
            await _stream.DisposeAsync().ConfigureAwait(false);
            File.Move(_temporary, _uri.Path, overwrite: true);
            _isCommitted = true;
            return true;
        });

        public override async ValueTask DisposeAsync()
        {
            await _stream.DisposeAsync().ConfigureAwait(false);
            if (!_isCommitted)
                File.Delete(_temporary);
        }
    }
}
