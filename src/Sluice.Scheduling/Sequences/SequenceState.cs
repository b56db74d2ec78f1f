using System.Diagnostics.CodeAnalysis;
using Sluice.Tensors;

namespace Sluice.Scheduling.Sequences;

/// <summary>One state of one sequence: what the last step gave, for the next one.</summary>
/// <remarks>
/// <para><b>Ownership.</b> Owns its buffer, which is used again from step to step and grows when it must; given back when the
/// sequence ends.</para>
/// <para>The running step may read the value where it lies. A response that comes before the step's end is therefore put aside
/// (<see cref="PutAside"/>) and takes the value's place afterwards (<see cref="Settle"/>).</para>
/// </remarks>
internal struct SequenceState
{
    private TensorBuffer? _buffer;
    private int _length;
    private TensorBuffer? _next;
    private int _nextLength;
    private Shape _nextShape;

    /// <summary>All dimensions as the engine made them, of one row.</summary>
    public Shape Shape { get; private set; }

    /// <summary>A step has given it.</summary>
    public readonly bool HasValue => _buffer is not null;

    /// <summary>The value; lent until the next <see cref="Store"/> or <see cref="Settle"/>.</summary>
    public readonly ReadOnlyMemory<byte> Memory => _buffer!.Memory[.._length];

    /// <summary>Copies the output of a step that has run.</summary>
    /// <exception cref="TensorPoolExhaustedException">The pool's limit is reached; the state is as it was.</exception>
    public void Store(TensorBufferPool pool, in Shape shape, ReadOnlySpan<byte> data)
    {
        Copy(ref _buffer, pool, data);
        _length = data.Length;
        Shape = shape;
    }

    /// <summary>Copies the output of a step that still runs; the last one counts.</summary>
    /// <exception cref="TensorPoolExhaustedException">The pool's limit is reached; the state is as it was.</exception>
    public void PutAside(TensorBufferPool pool, in Shape shape, ReadOnlySpan<byte> data)
    {
        Copy(ref _next, pool, data);
        _nextLength = data.Length;
        _nextShape = shape;
    }

    /// <summary>Makes what was put aside the value, or forgets it.</summary>
    public void Settle(bool isKept)
    {
        if (_next is null)
            return;
        if (isKept)
        {
            (_buffer, _next) = (_next, _buffer);
            (_length, Shape) = (_nextLength, _nextShape);
        }

        _next?.Dispose();
        _next = null;
    }

    /// <summary>Gives the memory back.</summary>
    public void Clear()
    {
        Settle(isKept: false);
        _buffer?.Dispose();
        _buffer = null;
    }

    private static void Copy([NotNull] ref TensorBuffer? target, TensorBufferPool pool, ReadOnlySpan<byte> data)
    {
        if (target is null || target.Length < data.Length)
        {
            var larger = pool.Rent(Math.Max(1, data.Length));
            target?.Dispose();
            target = larger;
        }

        data.CopyTo(target.GetSpan());
    }
}
