using System.Runtime.InteropServices;

namespace Sluice.Tensors.SharedMemory;

/// <summary>The system's calls for POSIX shared memory; all of fixed arity, so they bind the same way everywhere.</summary>
internal static unsafe partial class SharedMemoryCalls
{
    public const int ReadWrite = 2;
    public const int ProtectReadWrite = 3;
    public const int Shared = 1;
    public const int FromEnd = 2;

    [LibraryImport("libc", EntryPoint = "shm_open", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string key, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "mmap")]
    public static partial nint Map(nint address, nuint length, int protection, int flags, int file, long offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    public static partial int Unmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "lseek")]
    public static partial long Seek(int file, long offset, int origin);

    [LibraryImport("libc", EntryPoint = "pread")]
    public static partial nint ReadAt(int file, byte* target, nuint length, long offset);

    [LibraryImport("libc", EntryPoint = "pwrite")]
    public static partial nint WriteAt(int file, byte* source, nuint length, long offset);

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int file);
}
