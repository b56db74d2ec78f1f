using System.Collections.Concurrent;
using System.Diagnostics;

namespace Sluice.Tensors;

/// <summary>The pool's debug mode: who has what, and whether idle memory was touched.</summary>
internal sealed class RenterBook
{
    private const byte Scramble = 0xDB;

    private readonly ConcurrentDictionary<TensorBuffer, string> _renters = new();

    public static unsafe void Fill(TensorBuffer buffer) =>
        new Span<byte>(buffer.Pointer, buffer.Capacity).Fill(Scramble);

    public unsafe void OnRent(TensorBuffer buffer)
    {
        var at = new ReadOnlySpan<byte>(buffer.Pointer, buffer.Capacity).IndexOfAnyExcept(Scramble);
        if (at >= 0)
        {
            throw new InvalidOperationException(
                $"Byte {at} of a tensor buffer was written after its return. Last rented by:\n{buffer.Renter}");
        }

        buffer.Renter = new StackTrace(2, fNeedFileInfo: true).ToString();
        _renters[buffer] = buffer.Renter;
    }

    public void OnReturn(TensorBuffer buffer)
    {
        _renters.TryRemove(buffer, out _);
        Fill(buffer);
    }

    public static void OnDoubleDispose(TensorBuffer buffer) =>
        throw new InvalidOperationException(
            $"A tensor buffer of {buffer.Capacity} bytes was disposed twice. Rented by:\n{buffer.Renter}");

    public void ReportLeaks(Action<string>? report)
    {
        foreach (var (buffer, renter) in _renters)
        {
            var text = $"A tensor buffer of {buffer.Length} bytes was never returned. Rented by:\n{renter}";
            if (report is null) Trace.TraceError(text);
            else report(text);
        }
    }
}
