using Microsoft.Extensions.Logging;

namespace Sluice.Backends.Python;

internal static partial class PythonLog
{
    [LoggerMessage(2300, LogLevel.Information, "Python models run on {Interpreter}, numpy {Numpy}", EventName = "PythonFound")]
    public static partial void Found(ILogger logger, string interpreter, string numpy);

    [LoggerMessage(2301, LogLevel.Warning, "No Python interpreter with numpy was found ({Tried}); Python models cannot be loaded until one is there. On Debian: apt-get install python3-numpy", EventName = "PythonMissing")]
    public static partial void Missing(ILogger logger, string tried);

    [LoggerMessage(2302, LogLevel.Warning, "{Owner}: process {Name} ({ProcessId}) has ended: {Reason}", EventName = "PythonWorkerEnded")]
    public static partial void WorkerEnded(ILogger logger, string owner, string name, int processId, string reason);

    [LoggerMessage(2303, LogLevel.Information, "{Owner}: process {Name} runs again as {ProcessId}", EventName = "PythonWorkerRestarted")]
    public static partial void WorkerRestarted(ILogger logger, string owner, string name, int processId);

    [LoggerMessage(2304, LogLevel.Warning, "{Owner}: process {Name} cannot be started again: {Reason}", EventName = "PythonRestartFailed")]
    public static partial void RestartFailed(ILogger logger, string owner, string name, string reason);

    [LoggerMessage(2305, LogLevel.Information, "{Owner} [{ProcessId}]: {Line}", EventName = "PythonOutput")]
    public static partial void Output(ILogger logger, string owner, int processId, string line);

    [LoggerMessage(2306, LogLevel.Warning, "{Owner} [{ProcessId}] stderr: {Line}", EventName = "PythonErrorOutput")]
    public static partial void ErrorOutput(ILogger logger, string owner, int processId, string line);

    [LoggerMessage(EventId = 2307, EventName = "PythonModelLog", Message = "{Owner}: {Text}")]
    public static partial void ModelLog(ILogger logger, LogLevel level, string owner, string text);

    [LoggerMessage(2308, LogLevel.Warning, "Call of {Owner} into the server failed: {Reason}", EventName = "PythonCallFailed")]
    public static partial void CallFailed(ILogger logger, string owner, string reason);

    [LoggerMessage(2309, LogLevel.Information, "Extracting Python execution env {Path}", EventName = "PythonEnvironmentExtracted")]
    public static partial void Unpacking(ILogger logger, string path);
}
