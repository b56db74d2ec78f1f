using Sluice.Protocol.Inference;

namespace Sluice.Models;

/// <summary>Names settings that would change results and that nothing here carries out yet.</summary>
internal static class UnsupportedFeatures
{
    /// <returns>One sentence per setting.</returns>
    public static IEnumerable<string> Find(ModelConfig config)
    {
        var fields = new (string Field, bool IsUsed)[]
        {
            ("model_operations", config.ModelOperations is { OpLibraryFilename.Count: > 0 }),
            ("model_repository_agents", config.ModelRepositoryAgents is { Agents.Count: > 0 }),
        };
        return fields.Where(f => f.IsUsed)
            .Select(f => $"model '{config.Name}' uses '{f.Field}', which this server does not support yet");
    }
}
