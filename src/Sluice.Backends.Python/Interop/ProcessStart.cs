using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Sluice.Backends.Python.Interop;

/// <summary>Starts processes that get descriptors of ours and nothing else, in a session of their own.</summary>
/// <remarks>.NET's own way cannot hand descriptors over; two starts at a time would leak them into each other.</remarks>
internal static unsafe partial class ProcessStart
{
    private const short SetSession = 0x80;
    private const short SetDefaultSignals = 0x04;
    private const short SetSignalMask = 0x08;
    private const int SignalPipe = 13;

    // Larger than the C library's structures on every platform that it has.
    private const int StructureBytes = 1024;

    /// <summary>Starts a program.</summary>
    /// <param name="program">Its path.</param>
    /// <param name="arguments">All of them, the program's name first.</param>
    /// <param name="environment">The whole environment, <c>NAME=VALUE</c>.</param>
    /// <param name="files">The process's descriptors 1, 2, 3 and so on; all above 99. Descriptor 0 is empty.</param>
    /// <returns>The process's number.</returns>
    /// <exception cref="Win32Exception">It cannot be started.</exception>
    public static int Start(
        string program, IReadOnlyList<string> arguments, IReadOnlyList<string> environment, ReadOnlySpan<int> files)
    {
        var actions = stackalloc byte[StructureBytes];
        var attributes = stackalloc byte[StructureBytes];
        var signals = stackalloc byte[StructureBytes];
        _ = posix_spawn_file_actions_init(actions);
        _ = posix_spawnattr_init(attributes);
        var strings = new List<nint>();
        try
        {
            _ = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", 0, 0);
            for (var i = 0; i < files.Length; i++)
                _ = posix_spawn_file_actions_adddup2(actions, files[i], i + 1);
            _ = sigemptyset(signals);
            _ = posix_spawnattr_setsigmask(attributes, signals);
            _ = sigaddset(signals, SignalPipe);
            _ = posix_spawnattr_setsigdefault(attributes, signals);
            _ = posix_spawnattr_setflags(attributes, SetSession | SetDefaultSignals | SetSignalMask);
            fixed (nint* argv = ToNative(arguments, strings))
            fixed (nint* envp = ToNative(environment, strings))
            {
                var error = posix_spawn(out var process, program, actions, attributes, argv, envp);
                return error == 0 ? process : throw new Win32Exception(error);
            }
        }
        finally
        {
            _ = posix_spawn_file_actions_destroy(actions);
            _ = posix_spawnattr_destroy(attributes);
            strings.ForEach(Marshal.FreeCoTaskMem);
        }
    }

    private static nint[] ToNative(IReadOnlyList<string> texts, List<nint> strings)
    {
        var native = new nint[texts.Count + 1];
        for (var i = 0; i < texts.Count; i++)
            strings.Add(native[i] = Marshal.StringToCoTaskMemUTF8(texts[i]));
        return native;
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int posix_spawn(
        out int process, string program, byte* actions, byte* attributes, nint* arguments, nint* environment);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_init(byte* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_destroy(byte* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_adddup2(byte* actions, int source, int target);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int posix_spawn_file_actions_addopen(byte* actions, int target, string path, int flags, uint mode);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_init(byte* attributes);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_destroy(byte* attributes);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setflags(byte* attributes, short flags);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setsigmask(byte* attributes, byte* signals);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setsigdefault(byte* attributes, byte* signals);

    [LibraryImport("libc")]
    private static partial int sigemptyset(byte* signals);

    [LibraryImport("libc")]
    private static partial int sigaddset(byte* signals, int signal);
}
