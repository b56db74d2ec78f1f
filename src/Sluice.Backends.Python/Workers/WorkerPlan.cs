using System.Collections.Immutable;

namespace Sluice.Backends.Python.Workers;

/// <summary>What a worker process is started with.</summary>
internal sealed record WorkerPlan
{
    /// <summary>Name for logs and messages, such as <c>model_0</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The model or endpoint that it works for.</summary>
    public required string Owner { get; init; }

    /// <summary>Path of the Python interpreter.</summary>
    public required string Interpreter { get; init; }

    /// <summary>The whole environment, <c>NAME=VALUE</c>.</summary>
    public required ImmutableArray<string> Environment { get; init; }

    /// <summary>What the first frame says, JSON.</summary>
    public required string LoadJson { get; init; }

    /// <summary>A file that names packages to be installed for it; null = none.</summary>
    public string? RequirementsPath { get; init; }

    /// <summary>What the second frame says, JSON; set before the process can serve.</summary>
    public string InitializeJson { get; init; } = "{}";

    /// <summary>Bounds of the process.</summary>
    public required WorkerLimits Limits { get; init; }
}

/// <summary>Bounds of a worker process.</summary>
internal sealed record WorkerLimits
{
    /// <summary>Longest start: import, completion and initialisation. Default 10 minutes.</summary>
    public TimeSpan Start { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Longest execution; zero = no bound. Default 10 minutes.</summary>
    public TimeSpan Execution { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long code may go on when nobody waits for it any more. Default 10 seconds.</summary>
    public TimeSpan CancelGrace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Longest end, in which <c>finalize</c> or <c>unload</c> runs. Default 10 seconds.</summary>
    public TimeSpan Stop { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Most resident memory, bytes, shared memory included; 0 = no bound.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>Address space for tensors in each direction, bytes. Default 2 GiB.</summary>
    public long SharedBytes { get; init; } = 2L << 30;

    /// <summary>First wait before a process that ended is started again; doubles up to 30 seconds. Default 0.5 seconds, but the
    /// first start after an end comes at once.</summary>
    public TimeSpan BackOff { get; init; } = TimeSpan.FromMilliseconds(500);
}
