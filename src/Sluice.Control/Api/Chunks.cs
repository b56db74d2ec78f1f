using Google.Protobuf;
using Sluice.Protocol.Control.V1;

namespace Sluice.Control.Api;

/// <summary>Sends files in pieces.</summary>
internal static class Chunks
{
    private const int PieceBytes = 1024 * 1024;

    public static async Task SendAsync(
        Stream content, long totalBytes, Func<Chunk, ValueTask> send, CancellationToken cancellationToken)
    {
        var buffer = new byte[PieceBytes];
        while (await content.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false)
            is var count and > 0)
        {
            // The message is on its way when the sending completes, so its bytes may be lent.
            var data = UnsafeByteOperations.UnsafeWrap(buffer.AsMemory(0, count));
            await send(new Chunk { Data = data, TotalBytes = totalBytes }).ConfigureAwait(false);
        }
    }
}
