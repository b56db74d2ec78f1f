using System.Buffers;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>Looks for operators whose run time depends on values: <c>Loop</c> and <c>Scan</c>.</summary>
/// <remarks>The engine's C API lists no operators, so the file is searched for the bytes of <c>NodeProto.op_type</c> (field 4,
/// onnx.proto). Bytes of a weight that look the same cost such a model no more than a hop to another thread.</remarks>
internal static class GraphLoops
{
    // A large one would be collected with the oldest objects, while all requests stand still.
    private const int ChunkBytes = 64 << 10;

    /// <summary>Tells whether the model's file holds such an operator.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static bool AreIn(string path)
    {
        ReadOnlySpan<byte> loop = [0x22, 4, (byte)'L', (byte)'o', (byte)'o', (byte)'p'];
        ReadOnlySpan<byte> scan = [0x22, 4, (byte)'S', (byte)'c', (byte)'a', (byte)'n'];
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        var chunk = ArrayPool<byte>.Shared.Rent(ChunkBytes);
        try
        {
            for (var kept = 0; ;)
            {
                var count = file.Read(chunk, kept, chunk.Length - kept);
                if (count == 0)
                    return false;
                var bytes = chunk.AsSpan(0, kept + count);
                if (bytes.IndexOf(loop) >= 0 || bytes.IndexOf(scan) >= 0)
                    return true;
                kept = Math.Min(bytes.Length, loop.Length - 1);
                bytes[^kept..].CopyTo(chunk);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(chunk);
        }
    }
}
