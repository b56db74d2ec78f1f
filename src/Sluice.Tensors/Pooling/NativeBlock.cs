using System.Runtime.InteropServices;

namespace Sluice.Tensors;

/// <summary>Gets and gives back the native memory of buffers, at least 64-byte aligned.</summary>
/// <remarks>Large blocks are mappings of their own: the C library would keep freed ones between others that are still in use, and the
/// process would grow although the pool does not. <b>Threads.</b> Any.</remarks>
internal static unsafe partial class NativeBlock
{
    private const int SmallestMapping = 128 * 1024;
    private const int ReadWrite = 3;
    private const int PrivateAnonymous = 0x22;

    private static readonly bool CanMap = OperatingSystem.IsLinux();

    /// <summary>Gets memory.</summary>
    /// <exception cref="OutOfMemoryException">There is none.</exception>
    public static byte* Allocate(int capacity)
    {
        if (!IsMapped(capacity))
            return (byte*)NativeMemory.AlignedAlloc((nuint)capacity, TensorBufferPool.Alignment);
        var address = Map(0, (nuint)capacity, ReadWrite, PrivateAnonymous, -1, 0);
        return address != -1 ? (byte*)address : throw new InsufficientMemoryException($"no memory of {capacity} bytes can be mapped");
    }

    /// <summary>Gives memory of that capacity back.</summary>
    public static void Free(byte* block, int capacity)
    {
        if (IsMapped(capacity))
            _ = Unmap((nint)block, (nuint)capacity);
        else
            NativeMemory.AlignedFree(block);
    }

    private static bool IsMapped(int capacity) => capacity >= SmallestMapping && CanMap;

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int file, long offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint length);
}
