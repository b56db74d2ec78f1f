namespace Sluice.Server;

/// <summary>The one table of which methods and routes belong to which group of the interface (spec §5.3).</summary>
internal static class ApiGroups
{
    private static readonly (string Group, string[] Methods, string[] Routes)[] Table =
    [
        ("health", ["ServerLive", "ServerReady", "ModelReady", "Check", "Watch"], ["/v2/health", ".../ready"]),
        ("metadata", ["ServerMetadata", "ModelMetadata"], ["/v2", "..."]),
        ("inference", ["ModelInfer", "ModelStreamInfer"], [".../infer", ".../generate", ".../generate_stream"]),
        (
            "shared-memory",
            [
                "SystemSharedMemoryStatus", "SystemSharedMemoryRegister", "SystemSharedMemoryUnregister",
                "CudaSharedMemoryStatus", "CudaSharedMemoryRegister", "CudaSharedMemoryUnregister",
            ],
            ["/v2/systemsharedmemory", "/v2/cudasharedmemory"]),
        ("model-config", ["ModelConfig"], [".../config"]),
        ("model-repository", ["RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload"], ["/v2/repository"]),
        ("statistics", ["ModelStatistics"], [".../stats", "/v2/models/stats"]),
        ("trace", ["TraceSetting"], [".../trace/setting", "/v2/trace"]),
        ("logging", ["LogSettings"], ["/v2/logging"]),
    ];

    private static readonly string[] ModelRoutes = ["/v2/models/{model}/versions/{version}", "/v2/models/{model}"];

    /// <summary>Tells whether there is such a group.</summary>
    public static bool IsKnown(string group) => Array.Exists(Table, row => row.Group == group);

    /// <summary>Returns the group of a gRPC method; null when it belongs to none, as reflection does.</summary>
    public static string? OfMethod(string name) =>
        Array.Find(Table, row => Array.IndexOf(row.Methods, name) >= 0).Group;

    /// <summary>Returns the group of a route; null when it belongs to none.</summary>
    /// <param name="pattern">As the router has it. In the table <c>...</c> stands for a model, with or without its version;
    /// a path stands for all that lie below it too.</param>
    public static string? OfRoute(string pattern)
    {
        var name = Array.Find(ModelRoutes, model => pattern == model || pattern.StartsWith(model + '/', StringComparison.Ordinal))
            is { } found ? "..." + pattern[found.Length..] : pattern;
        return (Find(row => Array.IndexOf(row, name) >= 0) ??
            Find(row => Array.Exists(row, path => path != "/v2" && path[0] == '/' && name.StartsWith(path + '/', StringComparison.Ordinal))));
    }

    private static string? Find(Predicate<string[]> isMatch) => Array.Find(Table, row => isMatch(row.Routes)).Group;
}
