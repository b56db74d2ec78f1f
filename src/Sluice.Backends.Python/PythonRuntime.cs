using System.Globalization;
using Microsoft.Extensions.Logging;
using Sluice.Backends.Python.Calls;
using Sluice.Backends.Python.Workers;
using Sluice.Tensors;

namespace Sluice.Backends.Python;

/// <summary>What all Python processes share: the way into the server, their metrics, the watch over their time.</summary>
public sealed class PythonRuntime : IDisposable
{
    private const int PageBytes = 4096;

    private readonly CancellationTokenSource _stopping = new();

    /// <summary>Creates it; nothing is started.</summary>
    /// <param name="pool">Memory for tensors.</param>
    /// <param name="loggers">Where the processes' output goes.</param>
    /// <param name="time">Clock of restarts.</param>
    /// <param name="interpreter">The Python interpreter to use; null = the first one that has numpy.</param>
    public PythonRuntime(TensorBufferPool pool, ILoggerFactory loggers, TimeProvider time, string? interpreter = null)
    {
        Pool = pool;
        Logger = loggers.CreateLogger("Sluice.Backends.Python");
        Time = time;
        Interpreters = new PythonInterpreters(interpreter, Logger);
        Watch = new WorkWatch(time);
        Packages = new PackageFolders(time, _stopping.Token);
    }

    /// <summary>The server; set once before any model is loaded.</summary>
    public IPythonServer? Server { get; set; }

    /// <summary>The metrics that models made.</summary>
    public ModelMetrics Metrics { get; } = new();

    /// <summary>The last lines that processes have written, by model or endpoint.</summary>
    public OutputTails Output { get; } = new();

    internal TensorBufferPool Pool { get; }

    internal ILogger Logger { get; }

    internal TimeProvider Time { get; }

    internal PythonInterpreters Interpreters { get; }

    internal WorkWatch Watch { get; }

    internal PackageFolders Packages { get; }

    /// <summary>Cancelled when the server stops: nothing is started any more.</summary>
    internal CancellationToken Stopping => _stopping.Token;

    /// <summary>Breaks off what is being installed and processes that are being started; their loads fail. Those that serve go on.</summary>
    public void EndStarts() => _stopping.Cancel();

    /// <summary>After all models and endpoints.</summary>
    public void Dispose()
    {
        _stopping.Cancel();
        Watch.Dispose();
        Packages.Dispose();
        _stopping.Dispose();
    }

    internal void LogOutput(string owner, int processId, bool isError, string line)
    {
        Output.Add(owner, line);
        if (isError)
            PythonLog.ErrorOutput(Logger, owner, processId, line);
        else
            PythonLog.Output(Logger, owner, processId, line);
    }

    /// <summary>Ends a process that has taken more memory than it may.</summary>
    internal static void CheckMemory(WorkerConnection worker, WorkerLimits limits)
    {
        if (limits.MemoryBytes <= 0)
            return;
        try
        {
            var statm = File.ReadAllText($"/proc/{worker.ProcessId}/statm").Split(' ');
            var resident = long.Parse(statm[1], CultureInfo.InvariantCulture) * PageBytes;
            // The code meets its limit first, by a MemoryError; what lies beyond has gone around it.
            if (resident > limits.MemoryBytes + (limits.MemoryBytes / 8))
                worker.Kill($"it had taken {resident} bytes of memory, more than its limit of {limits.MemoryBytes}");
        }
        catch (IOException)
        {
            // It has just ended; its connection notices by itself.
        }
    }
}
