using System.Runtime.InteropServices;

namespace Sluice.Http2.Epoll;

/// <summary>The Linux system calls of the event loop; the one place of the transport with pointers.</summary>
internal static unsafe partial class LibC
{
    public const int InterruptedCall = 4;
    public const int TryAgain = 11;
    public const uint EventIn = 0x1;
    public const uint EventOut = 0x4;
    public const uint EventError = 0x8;
    public const uint EventHangUp = 0x10;

    private const int ControlAdd = 1;
    private const int ControlDelete = 2;
    private const int ControlModify = 3;
    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;
    private const int NoSignal = 0x4000;
    private const int LevelTcp = 6;
    private const int OptionNoDelay = 1;
    private const int MostPieces = 64;

    // The kernel's struct epoll_event is packed on x86-64 only.
    private static readonly int EventSize = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;
    private static readonly int EventData = EventSize - 8;

    /// <summary>Makes an epoll instance.</summary>
    public static int CreateEpoll() => epoll_create1(CloseOnExec);

    /// <summary>Makes a descriptor that wakes an epoll.</summary>
    public static int CreateWakeUp() => eventfd(0, CloseOnExec | NonBlocking);

    /// <summary>Watches a descriptor.</summary>
    public static bool Add(int epoll, int descriptor, uint events, long token) =>
        Control(epoll, ControlAdd, descriptor, events, token);

    /// <summary>Changes what is watched.</summary>
    public static bool Modify(int epoll, int descriptor, uint events, long token) =>
        Control(epoll, ControlModify, descriptor, events, token);

    /// <summary>Watches a descriptor no more.</summary>
    public static void Remove(int epoll, int descriptor) => Control(epoll, ControlDelete, descriptor, 0, 0);

    /// <summary>Waits for events.</summary>
    /// <param name="epoll">The instance.</param>
    /// <param name="buffer">Receives raw events; see <see cref="ReadEvent"/>.</param>
    /// <param name="milliseconds">-1 = for ever.</param>
    /// <returns>Number of events; -1 on an error or an interruption.</returns>
    public static int Wait(int epoll, Span<byte> buffer, int milliseconds)
    {
        fixed (byte* events = buffer)
            return epoll_wait(epoll, events, buffer.Length / EventSize, milliseconds);
    }

    /// <summary>Reads the n-th event.</summary>
    public static (uint Events, long Token) ReadEvent(ReadOnlySpan<byte> buffer, int n)
    {
        var one = buffer.Slice(n * EventSize, EventSize);
        return (MemoryMarshal.Read<uint>(one), MemoryMarshal.Read<long>(one[EventData..]));
    }

    /// <summary>Bytes that a buffer for so many events needs.</summary>
    public static int BufferSize(int events) => events * EventSize;

    /// <summary>Wakes whoever waits.</summary>
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

    /// <summary>Accepts a connection that never blocks.</summary>
    /// <returns>The descriptor; -1 when there is none or on an error.</returns>
    public static int Accept(int listener, bool isTcp)
    {
        var descriptor = accept4(listener, null, null, CloseOnExec | NonBlocking);
        var on = 1;
        if (descriptor >= 0 && isTcp)
            setsockopt(descriptor, LevelTcp, OptionNoDelay, &on, sizeof(int));
        return descriptor;
    }

    /// <summary>Receives into one or two pieces of memory, the first one first.</summary>
    /// <returns>Bytes; 0 at the end; -1 with <see cref="Marshal.GetLastSystemError"/>-style errno otherwise.</returns>
    public static nint Receive(int descriptor, Memory<byte> first, Memory<byte> second)
    {
        using var secondHandle = second.Pin();
        if (first.IsEmpty)
            return recv(descriptor, secondHandle.Pointer, (nuint)second.Length, 0);
        using var firstHandle = first.Pin();
        var pieces = stackalloc Piece[2];
        pieces[0] = new Piece(firstHandle.Pointer, first.Length);
        pieces[1] = new Piece(secondHandle.Pointer, second.Length);
        return readv(descriptor, pieces, 2);
    }

    /// <summary>Sends as many of the pieces as fit.</summary>
    /// <returns>Bytes; -1 on an error.</returns>
    public static nint Send(int descriptor, ReadOnlySpan<ReadOnlyMemory<byte>> memory)
    {
        var count = Math.Min(memory.Length, MostPieces);
        if (count == 1)
        {
            using var handle = memory[0].Pin();
            return send(descriptor, handle.Pointer, (nuint)memory[0].Length, NoSignal);
        }

        var handles = new PinnedPieces();
        var pieces = stackalloc Piece[count];
        for (var i = 0; i < count; i++)
        {
            handles[i] = memory[i].Pin();
            pieces[i] = new Piece(handles[i].Pointer, memory[i].Length);
        }

        var message = new Message { Pieces = pieces, PieceCount = (nuint)count };
        var sent = sendmsg(descriptor, &message, NoSignal);
        for (var i = 0; i < count; i++)
            handles[i].Dispose();
        return sent;
    }

    /// <summary>Tells the peer that nothing more comes.</summary>
    public static void EndSending(int descriptor) => _ = shutdown(descriptor, 1);

    /// <summary>Closes a descriptor.</summary>
    public static void Close(int descriptor) => _ = close(descriptor);

    private static bool Control(int epoll, int operation, int descriptor, uint events, long token)
    {
        Span<byte> buffer = stackalloc byte[16];
        buffer.Clear();
        MemoryMarshal.Write(buffer, events);
        MemoryMarshal.Write(buffer[EventData..], token);
        fixed (byte* one = buffer)
            return epoll_ctl(epoll, operation, descriptor, one) == 0;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_create1(int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_ctl(int epoll, int operation, int descriptor, byte* data);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_wait(int epoll, byte* events, int most, int milliseconds);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int eventfd(uint start, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int accept4(int listener, void* address, void* length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setsockopt(int descriptor, int level, int option, void* value, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recv(int descriptor, void* memory, nuint length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint readv(int descriptor, Piece* pieces, int count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint send(int descriptor, void* memory, nuint length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendmsg(int descriptor, Message* message, int flags);

    [LibraryImport("libc")]
    private static partial nint read(int descriptor, void* memory, nuint length);

    [LibraryImport("libc")]
    private static partial nint write(int descriptor, void* memory, nuint length);

    [LibraryImport("libc")]
    private static partial int shutdown(int descriptor, int how);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);

    /// <summary><c>struct iovec</c>.</summary>
    private readonly struct Piece(void* start, nint length)
    {
        public readonly void* Start = start;
        public readonly nint Length = length;
    }

    /// <summary><c>struct msghdr</c>.</summary>
    private struct Message
    {
        public void* Name;
        public uint NameLength;
        public Piece* Pieces;
        public nuint PieceCount;
        public void* ControlData;
        public nuint ControlLength;
        public int Flags;
    }

    [System.Runtime.CompilerServices.InlineArray(MostPieces)]
    private struct PinnedPieces
    {
        private System.Buffers.MemoryHandle _first;
    }
}
