using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Sluice.Tensors;

/// <summary>Native memory, 64-byte aligned, rented from a <see cref="TensorBufferPool"/>.</summary>
/// <remarks>
/// <para><b>Ownership.</b> One owner, who disposes it once; passing it on ends one's right to it. Memory and spans
/// taken from it are borrowed and must not be used after the dispose. The contents are undefined when rented.</para>
/// <para><b>Threads.</b> One at a time; it may be disposed on another thread than it was rented on.</para>
/// </remarks>
public sealed unsafe class TensorBuffer : MemoryManager<byte>
{
    private readonly TensorBufferPool? _pool;
    private readonly byte* _pointer;
    private int _length;
    private int _rented;
    private Action? _onDispose;

    internal TensorBuffer(TensorBufferPool pool, int sizeClass)
    {
        _pool = pool;
        SizeClass = sizeClass;
        Capacity = SizeClasses.CapacityOf(sizeClass);
        _pointer = NativeBlock.Allocate(Capacity);
    }

    private TensorBuffer(byte* pointer, int length)
    {
        _pointer = pointer;
        _length = length;
        _rented = 1;
        Capacity = length;
        SizeClass = -1;
    }

    /// <summary>Gets the first byte; it does not move, and is valid until the dispose.</summary>
    public byte* Pointer => _pointer;

    /// <summary>Gets the length asked for, in bytes.</summary>
    public int Length => _length;

    /// <summary>Gets how many bytes there are behind <see cref="Pointer"/>; at least <see cref="Length"/>.</summary>
    public int Capacity { get; }

    /// <summary>Gets <see cref="Length"/> bytes as memory.</summary>
    public override Memory<byte> Memory => CreateMemory(_length);

    internal int SizeClass { get; }

    internal TensorBuffer? Next { get; set; }

    internal long ReturnedAt { get; set; }

    internal string? Renter { get; set; }

    internal bool IsRented => _rented != 0;

    /// <summary>Makes a buffer of memory that belongs to somebody else, such as a shared memory region.</summary>
    /// <param name="pointer">First byte; must stay valid until the buffer's last use.</param>
    /// <param name="length">Bytes.</param>
    /// <returns>A buffer whose dispose leaves the memory as it is.</returns>
    public static TensorBuffer Wrap(byte* pointer, int length) => new(pointer, length);

    /// <summary>Makes a buffer of memory that somebody else gets back.</summary>
    /// <param name="pointer">First byte; must stay valid until the dispose.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="onDispose">Called once, on the thread that disposes the buffer.</param>
    /// <returns>A buffer whose dispose gives the memory back.</returns>
    public static TensorBuffer Wrap(byte* pointer, int length, Action onDispose) =>
        new(pointer, length) { _onDispose = onDispose };

    /// <summary>Finds the buffer behind a piece of memory.</summary>
    /// <param name="memory">Memory taken from a buffer, or a slice of it.</param>
    /// <param name="buffer">The buffer; still owned by its owner.</param>
    /// <param name="offset">Where the piece starts in it, in bytes.</param>
    /// <returns>False when the memory is not a buffer's.</returns>
    public static bool TryGet(
        ReadOnlyMemory<byte> memory, [NotNullWhen(true)] out TensorBuffer? buffer, out int offset) =>
        MemoryMarshal.TryGetMemoryManager(memory, out buffer, out offset, out _);

    /// <summary>Gets <see cref="Length"/> bytes.</summary>
    /// <returns>The span, borrowed.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public override Span<byte> GetSpan() => new(_pointer, _length);

    /// <summary>Gives a handle on the memory, which is never moved; allocates nothing.</summary>
    /// <param name="elementIndex">Offset in bytes.</param>
    /// <returns>A handle that needs no dispose.</returns>
    public override MemoryHandle Pin(int elementIndex = 0)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)elementIndex, (uint)_length, nameof(elementIndex));
        return new MemoryHandle(_pointer + elementIndex);
    }

    /// <summary>Does nothing: the memory is never moved.</summary>
    public override void Unpin()
    {
    }

    /// <summary>Makes the buffer shorter, keeping its beginning.</summary>
    /// <param name="length">From 0 to <see cref="Length"/>, in bytes.</param>
    public void Shrink(int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)length, (uint)_length, nameof(length));
        _length = length;
    }

    /// <summary>Returns the memory to its pool.</summary>
    /// <exception cref="InvalidOperationException">Disposed twice, in the pool's debug mode.</exception>
    public void Dispose() => Dispose(true);

    internal void MarkRented(int length)
    {
        _length = length;
        _rented = 1;
    }

    internal void FreeMemory() => NativeBlock.Free(_pointer, Capacity);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (_pool is null)
        {
            Interlocked.Exchange(ref _onDispose, null)?.Invoke();
            return;
        }

        if (_rented == 0)
        {
            _pool.OnDoubleDispose(this);
            return;
        }

        _rented = 0;
        _length = 0;
        _pool.Return(this);
    }
}
