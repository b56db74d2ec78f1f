using System.Runtime.InteropServices;

namespace Sluice.Backends.Python.Interop;

/// <summary>The Linux system calls of worker processes; the one place of the project that declares them.</summary>
internal static unsafe partial class LibC
{
    public const short PollIn = 1;
    public const short PollOut = 4;
    public const int TryAgain = 11;
    public const int InterruptedCall = 4;
    public const int SignalKill = 9;

    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;
    private const int DontWait = 0x40;
    private const int NoSignal = 0x4000;
    private const int SealNothing = 1;
    private const int SealShrink = 2;
    private const int SealGrow = 4;

    /// <summary>Makes anonymous shared memory whose size nobody can change any more.</summary>
    /// <returns>The file, closed on exec; -1 on an error.</returns>
    public static int CreateMemory(long length)
    {
        var file = memfd_create("sluice", 1 | 2);
        if (file >= 0 && (ftruncate(file, length) != 0 || fcntl(file, 1033, SealNothing | SealShrink | SealGrow) != 0))
        {
            close(file);
            return -1;
        }

        return file;
    }

    /// <summary>Maps shared memory; pages come into being when they are touched.</summary>
    public static nint Map(int file, long length) => mmap(0, (nuint)length, 3, 1 | 0x4000, file, 0);

    /// <summary>Unmaps memory.</summary>
    public static void Unmap(nint address, long length) => _ = munmap(address, (nuint)length);

    /// <summary>Makes two connected sockets, closed on exec.</summary>
    public static bool CreateSockets(out int ours, out int theirs) => CreatePair((pair) => socketpair(1, 1 | CloseOnExec, 0, pair), out ours, out theirs);

    /// <summary>Makes a pipe, closed on exec.</summary>
    public static bool CreatePipe(out int read, out int write) => CreatePair((pair) => pipe2(pair, CloseOnExec), out read, out write);

    /// <summary>Makes a descriptor that wakes a poll.</summary>
    public static int CreateWakeUp() => eventfd(0, CloseOnExec | NonBlocking);

    /// <summary>Wakes whoever polls.</summary>
    public static void Wake(int wakeUp)
    {
        ulong one = 1;
        write(wakeUp, &one, sizeof(ulong));
    }

    /// <summary>Takes back all wake-ups.</summary>
    public static void ClearWakeUp(int wakeUp)
    {
        ulong count;
        read(wakeUp, &count, sizeof(ulong));
    }

    /// <summary>Duplicates a descriptor to a high number, so that it is in nobody's way when a process is started.</summary>
    public static int DuplicateHigh(int file) => fcntl(file, 1030, 100);

    /// <summary>Waits for events of descriptors.</summary>
    public static int Poll(Span<PollEntry> entries)
    {
        fixed (PollEntry* first = entries)
            return poll(first, (nuint)entries.Length, -1);
    }

    /// <summary>Receives what is there.</summary>
    /// <returns>Bytes; 0 at the end; -1 on an error.</returns>
    public static nint Receive(int socket, Span<byte> target)
    {
        fixed (byte* start = target)
            return recv(socket, start, (nuint)target.Length, DontWait);
    }

    /// <summary>Sends as much as fits, without waiting.</summary>
    public static nint Send(int socket, ReadOnlySpan<byte> data)
    {
        fixed (byte* start = data)
            return send(socket, start, (nuint)data.Length, DontWait | NoSignal);
    }

    /// <summary>Reads from a pipe.</summary>
    public static nint Read(int file, Span<byte> target)
    {
        fixed (byte* start = target)
            return read(file, start, (nuint)target.Length);
    }

    /// <summary>Ends a process and its whole session at once.</summary>
    public static void KillGroup(int process)
    {
        _ = kill(-process, SignalKill);
        _ = kill(process, SignalKill);
    }

    /// <summary>Waits for the end of a child.</summary>
    /// <returns>The wait status; -1 when it is not a child.</returns>
    public static int WaitFor(int process)
    {
        int status;
        while (waitpid(process, &status, 0) < 0)
        {
            if (Marshal.GetLastPInvokeError() != InterruptedCall)
                return -1;
        }

        return status;
    }

    /// <summary>Closes a descriptor.</summary>
    public static void Close(int file) => _ = close(file);

    private static bool CreatePair(PairMaker make, out int first, out int second)
    {
        var pair = stackalloc int[2];
        pair[0] = pair[1] = -1;
        var isMade = make(pair) == 0;
        (first, second) = (pair[0], pair[1]);
        return isMade;
    }

    private delegate int PairMaker(int* pair);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int memfd_create(string name, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ftruncate(int file, long length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(int file, int command, int argument);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint mmap(nint address, nuint length, int protection, int flags, int file, long offset);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int munmap(nint address, nuint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socketpair(int domain, int type, int protocol, int* pair);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int pipe2(int* pair, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int eventfd(uint initial, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll(PollEntry* entries, nuint count, int milliseconds);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recv(int socket, byte* target, nuint length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint send(int socket, byte* data, nuint length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(int file, void* target, nuint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(int file, void* data, nuint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int kill(int process, int signal);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int waitpid(int process, int* status, int options);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int file);

    /// <summary>The kernel's <c>struct pollfd</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct PollEntry
    {
        public int File;
        public short Wanted;
        public short Found;
    }
}
