using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Sluice.Backends.OnnxRuntime.Interop;

/// <summary>Runs long work beside requests: on a busy machine it gets about a tenth of what a request's thread gets.</summary>
/// <remarks>A thread may not raise its priority again, and those that it starts have its own; so the work has a thread to itself
/// and must not start others that outlive it.</remarks>
internal static partial class LoadThread
{
    // Linux weighs each step by a factor of 1.25.
    private const int Niceness = 10;

    [ThreadStatic]
    private static int _runs;

    /// <summary>How often the calling thread has come here, for tests.</summary>
    internal static int Runs => _runs;

    /// <summary>Does the work, and returns when it is done.</summary>
    /// <exception cref="Exception">Whatever the work throws.</exception>
    public static void Run(Action work)
    {
        _runs++;
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            LowerPriority();
            try
            {
                work();
            }
            catch (Exception error)
            {
                failure = ExceptionDispatchInfo.Capture(error);
            }
        })
        {
            IsBackground = true,
            Name = "load",
        };
        thread.Start();
        thread.Join();
        failure?.Throw();
    }

    /// <summary>The niceness of the calling thread; 0 where threads have none.</summary>
    internal static int Own() => OperatingSystem.IsLinux() ? GetPriority(0, 0) : 0;

    // On Linux a "process" of this call is a thread, and zero the caller. Refused, the work is merely as important as any other.
    private static void LowerPriority()
    {
        if (OperatingSystem.IsLinux())
            _ = SetPriority(0, 0, Niceness);
    }

    [LibraryImport("libc", EntryPoint = "setpriority")]
    private static partial int SetPriority(int which, uint who, int niceness);

    [LibraryImport("libc", EntryPoint = "getpriority")]
    private static partial int GetPriority(int which, uint who);
}
