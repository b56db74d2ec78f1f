using Sluice.Inference;
using Sluice.Rest.Generate;
using Sluice.Rest.Infer;
using Sluice.Rest.Routing;
using Sluice.Rpc.Dispatch;

namespace Sluice.Rest.V2;

/// <summary>The routes of the v2 HTTP protocol (spec §2.1).</summary>
public static class V2Routes
{
    /// <summary>Creates them.</summary>
    /// <param name="methods">The methods of gRPC; everything but inference goes to the same handlers.</param>
    /// <param name="engine">Runs inference.</param>
    /// <param name="stages">Gets the times of requests; null = nobody wants them.</param>
    public static IEnumerable<RestRoute> Create(MethodTable methods, IInferenceEngine engine, FrontEndStages? stages = null)
    {
        var unary = new UnaryMethods(methods);
        var metadata = new MetadataHandlers(unary);
        var repository = new RepositoryHandlers(unary);
        var infer = new InferHandler(engine, unary, stages);
        var generate = new GenerateHandler(engine, unary);
        var settings = new SettingsHandlers(unary);
        yield return new("GET", "/v2", metadata.ServerAsync);
        yield return new("GET", "/v2/health/live", metadata.LiveAsync);
        yield return new("GET", "/v2/health/ready", metadata.ReadyAsync);
        yield return new("GET", "/v2/models/stats", metadata.StatisticsAsync);
        yield return new("POST", "/v2/repository/index", repository.IndexAsync);
        yield return new("POST", "/v2/repository/{repository}/index", repository.IndexAsync);
        foreach (var method in new[] { "GET", "POST" })
        {
            yield return new(method, "/v2/logging", settings.LogAsync);
            yield return new(method, "/v2/trace/setting", settings.TraceAsync);
            yield return new(method, "/v2/models/{model}/trace/setting", settings.TraceAsync);
            yield return new(method, "/v2/models/{model}/versions/{version}/trace/setting", settings.TraceAsync);
        }

        foreach (var folder in new[] { "/v2/repository", "/v2/repository/{repository}" })
        {
            yield return new("POST", $"{folder}/models/{{model}}/load", repository.LoadAsync);
            yield return new("POST", $"{folder}/models/{{model}}/unload", repository.UnloadAsync);
        }

        foreach (var route in CreateSharedMemory(new SharedMemoryHandlers(unary)))
            yield return route;
        foreach (var model in new[] { "/v2/models/{model}", "/v2/models/{model}/versions/{version}" })
        {
            yield return new("GET", model, metadata.ModelAsync);
            yield return new("GET", $"{model}/ready", metadata.ModelReadyAsync);
            yield return new("GET", $"{model}/config", metadata.ConfigAsync);
            yield return new("GET", $"{model}/stats", metadata.StatisticsAsync);
            yield return new("POST", $"{model}/infer", infer.InferAsync);
            yield return new("POST", $"{model}/generate", generate.GenerateAsync);
            yield return new("POST", $"{model}/generate_stream", generate.StreamAsync);
        }
    }

    private static IEnumerable<RestRoute> CreateSharedMemory(SharedMemoryHandlers memory)
    {
        const string System = "/v2/systemsharedmemory";
        const string Cuda = "/v2/cudasharedmemory";
        const string Region = "/region/{region}";
        yield return new("GET", $"{System}/status", memory.SystemStatusAsync);
        yield return new("GET", $"{System}{Region}/status", memory.SystemStatusAsync);
        yield return new("POST", $"{System}{Region}/register", memory.SystemRegisterAsync);
        yield return new("POST", $"{System}/unregister", memory.SystemUnregisterAsync);
        yield return new("POST", $"{System}{Region}/unregister", memory.SystemUnregisterAsync);
        yield return new("GET", $"{Cuda}/status", memory.CudaStatusAsync);
        yield return new("GET", $"{Cuda}{Region}/status", memory.CudaStatusAsync);
        yield return new("POST", $"{Cuda}{Region}/register", memory.CudaRegisterAsync);
        yield return new("POST", $"{Cuda}/unregister", memory.CudaUnregisterAsync);
        yield return new("POST", $"{Cuda}{Region}/unregister", memory.CudaUnregisterAsync);
    }
}
