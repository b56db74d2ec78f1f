using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using Sluice.Models;

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
        var config = new ModelConfigOptions
        {
            AutoComplete = options.AutoCompleteConfig,
            BackendConfig = options.BackendConfig.GroupBy(setting => setting.Backend).ToImmutableDictionary(
                group => group.Key,
                group => group.GroupBy(setting => setting.Key).ToImmutableDictionary(s => s.Key, s => s.Last().Value)),
        };
        return new ModelLifecycle(
            repository, loader, lifecycle, config, loggers.CreateLogger<ModelLifecycle>(), time);
    }

    /// <summary>Draws the start-up table of models, a line each.</summary>
    public static IEnumerable<string> Tabulate(IReadOnlyList<ModelIndexEntry> entries)
    {
        (string Model, string Version, string Status)[] rows =
        [
            ("Model", "Version", "Status"),
            .. entries.Select(entry => (entry.Name, entry.Version,
                entry.State is null ? "" : entry.Reason.Length > 0 && entry.State != ModelState.Ready
                    ? $"{entry.State.Value.ToName()}: {entry.Reason}"
                    : entry.State.Value.ToName())),
        ];
        var (first, second) = (rows.Max(row => row.Model.Length), rows.Max(row => row.Version.Length));
        return rows.Select(row => $"{row.Model.PadRight(first)}  {row.Version.PadRight(second)}  {row.Status}");
    }
}
