namespace Sluice.Server;

/// <summary>Settings of the original that have nothing to act on here (spec §5.1).</summary>
/// <remarks>They are accepted, so that command lines and deployments move over unchanged, and told once at the start.</remarks>
internal static class InertOptions
{
    private const string OwnThreads = "threads follow the work here";
    private const string NoGpu = "there are no GPU instances";
    private const string OtherPort = "this front end is not served";

    /// <summary>One row per setting.</summary>
    public static IEnumerable<OptionDefinition> All { get; } =
    [
        Row("model-namespacing", "models of several folders have one name each"),
        Row("model-load-gpu-limit", NoGpu),
        Row("http-thread-count", OwnThreads),
        Row("grpc-infer-thread-count", OwnThreads),
        Row("grpc-infer-allocation-pool-size", "requests are pooled per connection"),
        Row("grpc-max-response-pool-size", "responses are pooled per connection"),
        Row("allow-gpu-metrics", NoGpu),
        Row("cache-directory", "the response cache is part of the server"),
        Row("pinned-memory-pool-byte-size", "tensor memory has one pool: --tensor-memory-byte-size"),
        Row("cuda-memory-pool-byte-size", NoGpu),
        Row("cuda-virtual-address-size", NoGpu),
        Row("min-supported-compute-capability", NoGpu),
        Row("buffer-manager-thread-count", OwnThreads),
        Row("host-policy", "instances are not bound to processors"),
        Row("enable-peer-access", NoGpu),
        Row("repoagent-directory", "there are no repository agents"),
        Row("allow-sagemaker", OtherPort),
        Row("sagemaker-port", OtherPort),
        Row("sagemaker-safe-port-range", OtherPort),
        Row("sagemaker-thread-count", OtherPort),
        Row("allow-vertex-ai", OtherPort),
        Row("vertex-ai-port", OtherPort),
        Row("vertex-ai-thread-count", OtherPort),
        Row("vertex-ai-default-model", OtherPort),
    ];

    private static OptionDefinition Row(string name, string reason) => new(
        name, $"Accepted without effect: {reason}.",
        (options, _) => options with { WithoutEffect = options.WithoutEffect.Add((name, reason)) }, IsSwitch: true, IsInert: true);
}
