using System.Globalization;
using Sluice.Inference;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>A model's parameters for this engine (spec §3.6), read and checked.</summary>
internal sealed record SessionSettings
{
    /// <summary>Threads within one operator; 0 = the threads shared by all models.</summary>
    public int IntraOpThreads { get; private init; }

    /// <summary>Operators at a time when <see cref="IsParallel"/>; 0 = the engine's default.</summary>
    public int InterOpThreads { get; private init; }

    public bool UsesSharedThreads { get; private init; } = true;

    public bool IsParallel { get; private init; }

    /// <summary>A session has threads of its own.</summary>
    public bool StartsThreads => !UsesSharedThreads && (IntraOpThreads != 1 || IsParallel);

    public bool UsesArena { get; private init; } = true;

    public bool UsesMemoryPattern { get; private init; } = true;

    /// <summary>The engine's number: 0 none, 1 basic, 2 extended, 99 all.</summary>
    public int GraphLevel { get; private init; } = 99;

    /// <summary>Arenas to shrink after each run, such as <c>cpu:0;gpu:0</c>; empty = none.</summary>
    public string ArenaShrinkage { get; private init; } = "";

    /// <summary>The <c>session.*</c> entries as given.</summary>
    public IReadOnlyDictionary<string, string> Entries { get; private init; } = new Dictionary<string, string>();

    /// <summary>Reads the parameters.</summary>
    /// <exception cref="InferenceException">Invalid values; all of them in one message.</exception>
    public static SessionSettings Read(ModelSettings model)
    {
        var reader = new Reader(model);
        var intra = reader.Count("intra_op_thread_count");
        var inter = reader.Count("inter_op_thread_count");
        var settings = new SessionSettings
        {
            IntraOpThreads = intra,
            InterOpThreads = inter,

            // A model that names its threads gets them for itself.
            UsesSharedThreads = intra == 0 && inter == 0 && SharesThreads(model),
            IsParallel = reader.Flag("execution_mode", false),
            UsesArena = reader.Flag("enable_mem_arena", true),
            UsesMemoryPattern = reader.Flag("enable_mem_pattern", true),
            ArenaShrinkage = model.Parameters.GetValueOrDefault("memory.enable_memory_arena_shrinkage", ""),
            GraphLevel = model.Optimization.GraphLevel switch
            {
                -1 => 1,
                1 => 2,
                2 => 0,
                _ => 99,
            },
            Entries = model.Parameters
                .Where(entry => entry.Key.StartsWith("session.", StringComparison.Ordinal))
                .ToDictionary(),
        };
        reader.ThrowOnErrors();
        return settings;
    }

    /// <summary>The same without any threads but the caller's.</summary>
    public SessionSettings OnCallersThread() => this with { IntraOpThreads = 1, UsesSharedThreads = false };

    /// <summary>Reads a thread count of the server's settings for this engine; 0 when absent or no number.</summary>
    public static int SharedThreads(ModelSettings model, string key) =>
        int.TryParse(
            model.BackendConfig.GetValueOrDefault(key), NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            ? count : 0;

    private static bool SharesThreads(ModelSettings model) =>
        model.BackendConfig.GetValueOrDefault("enable-global-threadpool", "1") is not ("0" or "false");

    private sealed class Reader(ModelSettings model)
    {
        private readonly List<string> _errors = [];

        public int Count(string key)
        {
            var text = model.Parameters.GetValueOrDefault(key, "0");
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count)) return count;
            _errors.Add($"parameter '{key}' is '{text}', not a number of threads");
            return 0;
        }

        public bool Flag(string key, bool otherwise)
        {
            switch (model.Parameters.GetValueOrDefault(key, otherwise ? "1" : "0"))
            {
                case "1" or "true":
                    return true;
                case "0" or "false":
                    return false;
                case var text:
                    _errors.Add($"parameter '{key}' is '{text}', not 0 or 1");
                    return otherwise;
            }
        }

        public void ThrowOnErrors()
        {
            if (_errors.Count > 0) throw InferenceException.Invalid(string.Join("; ", _errors));
        }
    }
}
