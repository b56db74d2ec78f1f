using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Google.Protobuf;
using Sluice.Cli.Output;

namespace Sluice.Cli.Control;

/// <summary>Reads files in pieces for uploads, with bounded memory whatever their size.</summary>
internal static class FileUpload
{
    private const int PieceBytes = 1024 * 1024;

    /// <summary>Makes the messages of an upload: first the header, then the contents.</summary>
    /// <param name="path">The file.</param>
    /// <param name="header">First message.</param>
    /// <param name="piece">Makes a message of bytes.</param>
    /// <param name="output">Told how far it is; null = nobody is.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public static async IAsyncEnumerable<T> ReadAsync<T>(
        string path, T header, Func<ByteString, T> piece, CliOutput? output, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return header;
        await using var file = File.OpenRead(path);
        var buffer = new byte[PieceBytes];
        var (total, last) = (file.Length, -1);
        for (long done = 0; ;)
        {
            var read = await file.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
            if (read == 0)
                break;
            yield return piece(ByteString.CopyFrom(buffer, 0, read));
            done += read;
            output?.Progress("uploading " + Path.GetFileName(path), done, total, ref last);
        }
    }

    public static string Sha256(string path)
    {
        using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }
}
