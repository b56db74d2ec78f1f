using Sluice.Inference;

namespace Sluice.Rpc.Access;

/// <summary>The one table from methods and routes to the permission that they need.</summary>
/// <remarks>What is not listed needs <see cref="AccessScope.Control"/>, so that a new method is closed until it stands here.</remarks>
public static class AccessTable
{
    private const string Inference = "/inference.GRPCInferenceService/";

    private static readonly string[] MetricMethods =
    [
        "ListServedEndpoints", "GetServedEndpoint", "WatchServedEndpoints", "GetEndpointLog", "QuerySeries", "QueryHeatMap", "QueryDistributions",
        "GetHistoryStatus",
    ];

    private static readonly (AccessScope Scope, string[] Methods, string[] Routes)[] Rows =
    [
        (AccessScope.Health,
            [Inference + "ServerLive", Inference + "ServerReady", Inference + "ModelReady", "/grpc.health.v1.Health/Check",
                "/grpc.health.v1.Health/Watch"],
            ["GET /v2/health/live", "GET /v2/health/ready", "GET /v2/models/{model}/ready"]),
        (AccessScope.Metadata,
            [Inference + "ServerMetadata", Inference + "ModelMetadata", Inference + "ModelConfig", Inference + "ModelStatistics",
                Inference + "RepositoryIndex", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"],
            ["GET /v2", "GET /v2/models/{model}", "GET /v2/models/{model}/config", "GET /v2/models/{model}/stats",
                "GET /v2/models/stats", "POST /v2/repository/index", "POST /v2/repository/{repository}/index"]),
        (AccessScope.Infer,
            [Inference + "ModelInfer", Inference + "ModelStreamInfer"],
            ["POST /v2/models/{model}/infer", "POST /v2/models/{model}/generate", "POST /v2/models/{model}/generate_stream"]),
        (AccessScope.Metadata,
            [.. MetricMethods.Select(method => "/sluice.metrics.v1.EndpointMetrics/" + method)],
            ["GET /v1/metrics/endpoints", "GET /v1/metrics/endpoints/{endpoint=**}", "GET /v1/metrics/endpoints:watch", "GET /v1/metrics/log",
                "GET /v1/metrics/series", "GET /v1/metrics/heat-map", "GET /v1/metrics/distributions", "GET /v1/metrics/history",
                .. ServingRoutes("get_endpoints"), .. ServingRoutes("get_loading_instances"), .. ServingRoutes("get_endpoint_details"),
                .. ServingRoutes("get_endpoint_metrics_history")]),

        // Who logs in says so in the call.
        (AccessScope.None, [], ["GET /metrics", .. ClearMlRoutes("auth.login")]),

        // Regions name memory that any process of the machine may have put there, and settings are the operator's.
        (AccessScope.Control,
            [Inference + "RepositoryModelLoad", Inference + "RepositoryModelUnload",
                Inference + "SystemSharedMemoryStatus", Inference + "SystemSharedMemoryRegister", Inference + "SystemSharedMemoryUnregister",
                Inference + "CudaSharedMemoryStatus", Inference + "CudaSharedMemoryRegister", Inference + "CudaSharedMemoryUnregister",
                Inference + "TraceSetting", Inference + "LogSettings"],
            ["POST /v2/repository/models/{model}/load", "POST /v2/repository/{repository}/models/{model}/load",
                "POST /v2/repository/models/{model}/unload", "POST /v2/repository/{repository}/models/{model}/unload",
                .. MemoryRoutes("/v2/systemsharedmemory"), .. MemoryRoutes("/v2/cudasharedmemory"),
                "GET /v2/logging", "POST /v2/logging", "GET /v2/trace/setting", "POST /v2/trace/setting",
                "GET /v2/models/{model}/trace/setting", "POST /v2/models/{model}/trace/setting",
                .. ServingRoutes("register_container"), .. ServingRoutes("unregister_container"), .. ServingRoutes("container_status_report")]),
    ];

    private static readonly Dictionary<string, AccessScope> ByKey = Rows
        .SelectMany(row => row.Methods.Concat(row.Routes).Select(key => (key, row.Scope)))
        .ToDictionary(pair => pair.key, pair => pair.Scope, StringComparer.Ordinal);

    /// <summary>Every method and route that is named; the versioned form of a route counts as the one without.</summary>
    public static IReadOnlyCollection<string> Named => ByKey.Keys;

    /// <summary>What a gRPC method needs.</summary>
    /// <param name="path">Such as <c>/inference.GRPCInferenceService/ModelInfer</c>.</param>
    public static AccessScope OfMethod(string path) => ByKey.GetValueOrDefault(path, AccessScope.Control);

    /// <summary>What an HTTP route needs.</summary>
    /// <param name="method">Such as <c>GET</c>.</param>
    /// <param name="pattern">Such as <c>/v2/models/{model}/ready</c>; one with a version is its form without.</param>
    public static AccessScope OfRoute(string method, string pattern) => ByKey.GetValueOrDefault(
        $"{method} {pattern.Replace("/versions/{version}", "", StringComparison.Ordinal)}", AccessScope.Control);

    /// <summary>Methods and paths by which a call of ClearML's interface is made: stock callers put its version before it, some
    /// <c>/api</c>, and its SDK sends GET with a body unless it is told otherwise.</summary>
    /// <param name="call">Such as <c>serving.get_endpoints</c>.</param>
    public static IEnumerable<(string Method, string Path)> ClearMlForms(string call) =>
        from path in (string[])[$"/{call}", $"/api/{call}", $"/{{api_version}}/{call}", $"/api/{{api_version}}/{call}"]
        from method in (string[])["GET", "POST", "PUT"]
        select (method, path);

    private static IEnumerable<string> ServingRoutes(string action) => ClearMlRoutes("serving." + action);

    private static IEnumerable<string> ClearMlRoutes(string call) => ClearMlForms(call).Select(form => $"{form.Method} {form.Path}");

    private static string[] MemoryRoutes(string kind) =>
    [
        $"GET {kind}/status", $"GET {kind}/region/{{region}}/status", $"POST {kind}/region/{{region}}/register",
        $"POST {kind}/unregister", $"POST {kind}/region/{{region}}/unregister",
    ];
}
