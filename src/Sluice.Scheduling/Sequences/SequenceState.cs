using Sluice.Tensors;

namespace Sluice.Scheduling.Sequences;

/// <summary>One state of one sequence: what the last step gave, for the next one.</summary>
/// <remarks><b>Ownership.</b> Owns its buffer, which is used again from step to step and grows when it must; given back when
/// the sequence ends.</remarks>
internal struct SequenceState
{
    private TensorBuffer? _buffer;
    private int _length;

    /// <summary>All dimensions as the engine made them, of one row.</summary>
    public Shape Shape { get; private set; }

    /// <summary>A step has given it.</summary>
    public readonly bool HasValue => _buffer is not null;

    /// <summary>The value; lent until the next <see cref="Store"/>.</summary>
    public readonly ReadOnlyMemory<byte> Memory => _buffer!.Memory[.._length];

    /// <summary>Copies a step's output.</summary>
    /// <exception cref="TensorPoolExhaustedException">The pool's limit is reached; the state is as it was.</exception>
    public void Store(TensorBufferPool pool, in Shape shape, ReadOnlySpan<byte> data)
    {
        if (_buffer is null || _buffer.Length < data.Length)
        {
            var larger = pool.Rent(Math.Max(1, data.Length));
            _buffer?.Dispose();
            _buffer = larger;
        }

        data.CopyTo(_buffer.GetSpan());
        _length = data.Length;
        Shape = shape;
    }

    /// <summary>Gives the memory back.</summary>
    public void Clear()
    {
        _buffer?.Dispose();
        _buffer = null;
    }
}
