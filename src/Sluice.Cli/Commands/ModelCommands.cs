using Sluice.Cli.Parsing;

namespace Sluice.Cli.Commands;

/// <summary>The group <c>model</c>.</summary>
internal static class ModelCommands
{
    public static CommandSpec Group { get; } = new("model", "Manage models and the endpoints that serve them.")
    {
        Commands =
        [
            ModelList.Spec, ModelRemove.Spec, ModelUpload.Spec, ModelCanary.Spec, ModelAutoUpdate.Spec, ModelAdd.Spec, .. ModelLifecycle.Specs,
        ],
    };
}
