namespace Sluice.Control.Records;

/// <summary>Settings of a service; null = the default of the environment.</summary>
public sealed record ServiceParametersSpec
{
    /// <summary>Base of the addresses under which endpoints are called.</summary>
    public string? ServingBaseUrl { get; init; }

    /// <summary>Server that runs the models of <c>triton</c> endpoints; null = this one.</summary>
    public string? TritonGrpcServer { get; init; }

    /// <summary>Compress requests to that server.</summary>
    public bool? TritonGrpcCompression { get; init; }

    /// <summary>Kafka bootstrap address for statistics.</summary>
    public string? KafkaServiceServer { get; init; }

    /// <summary>Share of requests whose statistics are kept, 0 to 1.</summary>
    public double? MetricLoggingFreq { get; init; }
}
