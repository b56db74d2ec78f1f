using System.Buffers;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Rest.Calls;

/// <summary>Collects a response's text in pooled native memory, because its length goes before it.</summary>
/// <remarks><b>Ownership.</b> Holds memory only from the first write to <see cref="Clear"/>.</remarks>
internal sealed class ResponseBuffer(TensorBufferPool pool) : IBufferWriter<byte>
{
    private const int FirstSize = 4096;

    private TensorBuffer? _buffer;

    /// <summary>Bytes written.</summary>
    public int Length { get; private set; }

    public ReadOnlySpan<byte> Written => _buffer is null ? default : _buffer.GetSpan()[..Length];

    public ReadOnlyMemory<byte> WrittenMemory => _buffer is null ? default : _buffer.Memory[..Length];

    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Length + count, _buffer?.Length ?? 0, nameof(count));
        Length += count;
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _buffer!.Memory[Length..];
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _buffer!.GetSpan()[Length..];
    }

    /// <summary>Forgets what was written and returns the memory.</summary>
    public void Clear()
    {
        _buffer?.Dispose();
        _buffer = null;
        Length = 0;
    }

    private void Reserve(int size)
    {
        size = Math.Max(size, 1);
        if (_buffer is not null && _buffer.Length - Length >= size)
            return;
        var wanted = Math.Max((long)Length + size, Math.Max(FirstSize, 2L * Length));
        if (wanted > Array.MaxLength)
            wanted = (long)Length + size;
        if (wanted > Array.MaxLength)
            throw new InferenceException(
                InferenceCode.ResourceExhausted, $"a response of more than {Array.MaxLength} bytes of JSON cannot be sent");
        var larger = pool.Rent((int)wanted);
        Written.CopyTo(larger.GetSpan());
        _buffer?.Dispose();
        _buffer = larger;
    }
}
