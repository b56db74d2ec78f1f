using System.Collections.Immutable;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Scheduling;

namespace Sluice.Server.Composition;

/// <summary>Builds the model side from the options.</summary>
internal static class ModelParts
{
    public static ModelLifecycle CreateLifecycle(
        ServerOptions options, IModelLoader loader, ILoggerFactory loggers, TimeProvider time)
    {
        var repository = new ModelRepository(new RepositoryOptions
        {
            Folders = options.ModelRepositories,
            ConfigName = options.ModelConfigName,
        });
        var lifecycle = new LifecycleOptions
        {
            Mode = options.ModelControlMode,
            StartupModels = options.LoadModels,
            PollPeriod = options.RepositoryPollPeriod,
            LoadThreadCount = options.ModelLoadThreadCount,
            LoadRetryCount = options.ModelLoadRetryCount,
        };
        return new ModelLifecycle(
            repository, loader, lifecycle, CreateConfig(options), loggers.CreateLogger<ModelLifecycle>(), time);
    }

    public static ModelConfigOptions CreateConfig(ServerOptions options) => new()
    {
        AutoComplete = options.AutoCompleteConfig,
        BackendFolder = options.BackendFolder is { Length: > 0 } folder ? Path.GetFullPath(folder) : null,
        // Requests to other servers keep their shapes; those servers batch.
        BackendConfig = options.BackendConfig.Insert(0, ("remote", "default-max-batch-size", "0")).GroupBy(setting => setting.Backend).ToImmutableDictionary(
            group => group.Key,
            group => group.GroupBy(setting => setting.Key).ToImmutableDictionary(s => s.Key, s => s.Last().Value)),
    };

    public static SchedulerOptions CreateScheduler(ServerOptions options) => new()
    {
        MaxQueuedRequests = options.MaxQueuedRequests,
        Overload = options.Overload,
        LatencyObjective = options.LatencyObjective,
        RecentRequestCount = options.RecentRequestCount,
        KeepsStageLatencies = options.MetricsContent.HasSummaries,
        WatchdogLimit = options.ExecutionWatchdog,
        MaxSequences = options.MaxSequences,
        HoldUntilQueued = TestHook("TRITONSERVER_DELAY_SCHEDULER"),
        HoldUntilBacklogged = TestHook("TRITONSERVER_BACKLOG_DELAY_SCHEDULER"),
        Cache = options.Cache,
        RateLimit = options.RateLimit,
    };

    /// <summary>Draws the start-up table of models.</summary>
    public static IEnumerable<string> TabulateModels(IReadOnlyList<ModelIndexEntry> entries) => TextTable.Draw(
        ["Model", "Version", "Status"],
        [.. entries.Select(entry => (string[])[entry.Name, entry.Version, Status(entry)])]);

    /// <summary>Draws the start-up table of engines.</summary>
    public static IEnumerable<string> TabulateBackends(ServerOptions options, IEnumerable<IBackend> backends) => TextTable.Draw(
        ["Backend", "Path", "Config"],
        [
            .. backends.Select(backend => (string[])[backend.Name, "<built-in>", Settings(options, backend.Name)]),
            .. CreateConfig(options).ListEngineCode().Select(engine => (string[])[engine.Backend, engine.File, Settings(options, "python")]),
        ]);

    /// <summary>Draws the start-up table of options.</summary>
    public static IEnumerable<string> TabulateOptions(ServerOptions options) => TextTable.Draw(
        ["Option", "Value"],
        [
            ["server_id", options.Id],
            ["server_version", ServerOptions.ProductVersion],
            .. options.ModelRepositories.Select((folder, i) => (string[])[$"model_repository_path[{i}]", folder]),
            ["model_control_mode", $"MODE_{options.ModelControlMode.ToString().ToUpperInvariant()}"],
            ["strict_model_config", options.AutoCompleteConfig ? "0" : "1"],
            ["model_config_name", options.ModelConfigName],
            ["tensor_memory_byte_size", options.TensorMemoryBytes.ToString(CultureInfo.InvariantCulture)],
            ["strict_readiness", options.StrictReadiness ? "1" : "0"],
            ["exit_timeout", options.ExitTimeout.TotalSeconds.ToString(CultureInfo.InvariantCulture)],
            ["authentication", options.Auth.IsOn ? "1" : "0"],
            ["trace_level", options.Trace.Level.ToString().ToUpperInvariant()],
        ]);

    private static string Settings(ServerOptions options, string backend) =>
        $"{{{string.Join(',', options.BackendConfig.Where(setting => setting.Backend == backend).Select(setting => $"{setting.Key}={setting.Value}"))}}}";

    /// <summary>Reads a number that test suites set to make batches predictable (spec §5.7).</summary>
    private static int TestHook(string name) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? count : 0;

    private static string Status(ModelIndexEntry entry)
    {
        if (entry.State is null)
            return "";
        var name = entry.State.Value.ToName();
        return entry.Reason.Length > 0 && entry.State != ModelState.Ready ? $"{name}: {entry.Reason}" : name;
    }
}
