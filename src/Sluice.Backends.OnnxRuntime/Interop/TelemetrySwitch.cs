using System.Runtime.InteropServices;

namespace Sluice.Backends.OnnxRuntime.Interop;

/// <summary>Keeps the engine's library from reporting its use to its vendor.</summary>
/// <remarks>
/// Measured with the 1.30 library of npm: on Linux it starts an uploading thread, writes a database under the user's
/// cache and a log under the temporary folder, and keeps 2 to 4 KB for each failed run until it can send them. A server
/// does not do that behind its operator's back. The interface's own call comes too late for all but the events.
/// </remarks>
internal static partial class TelemetrySwitch
{
    public const string Variable = "ORT_DISABLE_TELEMETRY";

    /// <summary>Turns it off; must come before the library is loaded.</summary>
    public static void TurnOff()
    {
        Environment.SetEnvironmentVariable(Variable, "1");

        // On Unix the runtime keeps its own copy of the variables, which C code does not see.
        if (!OperatingSystem.IsWindows()) _ = SetNative(Variable, "1", overwrite: 1);
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetNative(string name, string value, int overwrite);
}
