using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;

namespace Sluice.Server.Supervision;

/// <summary>Runs the server in a process of its own and starts it again when it crashes, with the models that were at work told
/// (<c>--restart-on-crash</c>).</summary>
/// <remarks>The server ends when its supervisor does: it reads an input that then ends. Signals are handed on. An orderly end, also of a
/// start that failed, is the end of both, with the same exit code.</remarks>
public static partial class Supervisor
{
    /// <summary>Set in the server's process: where it keeps its notes.</summary>
    public const string NotesVariable = "SLUICE_CRASH_NOTES";

    private const int SigTerm = 15;

    // A signal ends a process with 128 and its number: abort, bus error, illegal instruction, arithmetic, memory, and the kernel's kill.
    private static readonly Dictionary<int, string> Crashes = new()
    {
        [132] = "SIGILL",
        [133] = "SIGTRAP",
        [134] = "SIGABRT",
        [135] = "SIGBUS",
        [136] = "SIGFPE",
        [137] = "SIGKILL",
        [139] = "SIGSEGV",
    };

    /// <summary>Runs servers until one ends in order.</summary>
    /// <returns>Its exit code.</returns>
    /// <exception cref="IOException">There is no place for the notes.</exception>
    public static async Task<int> RunAsync(ILogger logger, TimeProvider time)
    {
        var folder = Directory.CreateTempSubdirectory("sluice-notes-");
        var path = Path.Combine(folder.FullName, "notes");
        Process? server = null;
        using var stopping = new CancellationTokenSource();
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, HandOn);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, HandOn);
        var policy = new CrashPolicy();
        var isAgain = false;
        try
        {
            while (true)
            {
                using var notes = CrashNotes.Create(path);
                using var started = Start(path, policy.Quarantine, isAgain);
                Volatile.Write(ref server, started);
                if (stopping.IsCancellationRequested)
                    _ = Kill(started.Id, SigTerm); // The signal came while there was no process to hand it to.
                ServerLog.Supervised(logger, started.Id);
                await started.WaitForExitAsync().ConfigureAwait(false);
                Volatile.Write(ref server, null);
                if (stopping.IsCancellationRequested || !Crashes.TryGetValue(started.ExitCode, out var signal))
                    return started.ExitCode;
                var atWork = notes.ReadAtWork();
                var (delay, quarantined) = policy.Crashed(atWork, time.GetUtcNow());
                isAgain = true;
                ServerLog.Crashed(logger, signal, atWork.Count == 0 ? "none" : string.Join(", ", atWork), delay.TotalSeconds);
                if (quarantined.Count > 0)
                    ServerLog.Quarantined(logger, string.Join(", ", quarantined));
                await Task.Delay(delay, time, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (stopping.IsCancellationRequested)
                    return 0;
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        void HandOn(PosixSignalContext context)
        {
            context.Cancel = true;
            stopping.Cancel();
            if (Volatile.Read(ref server) is { HasExited: false } running)
                _ = Kill(running.Id, SigTerm);
        }
    }

    /// <summary>In the server's process: completes when the supervisor is gone.</summary>
    public static async Task WaitForEndAsync()
    {
        var buffer = new byte[64];
        await using var input = Console.OpenStandardInput();
        while (await input.ReadAsync(buffer).ConfigureAwait(false) > 0)
        {
        }
    }

    private static Process Start(string notes, Quarantine quarantine, bool isAgain)
    {
        var arguments = Environment.GetCommandLineArgs();
        var program = Environment.ProcessPath!;

        // Under the "dotnet" host the program's file comes first.
        var isHosted = Path.GetFileNameWithoutExtension(program) == "dotnet";
        var start = new ProcessStartInfo(program, isHosted ? arguments : arguments[1..]) { RedirectStandardInput = true };
        start.Environment[NotesVariable] = notes;
        if (isAgain)
            start.Environment[Quarantine.Variable] = quarantine.ToString();
        return Process.Start(start)!;
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
