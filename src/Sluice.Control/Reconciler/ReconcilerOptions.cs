namespace Sluice.Control.Reconciler;

/// <summary>How endpoints are brought to what is wanted.</summary>
public sealed record ReconcilerOptions
{
    /// <summary>Folder for models' folders while they are loaded; emptied at the start.</summary>
    public required string WorkFolder { get; init; }

    /// <summary>Serve the endpoints of all services; of equal names the oldest service's. Default false: those of the served one.</summary>
    public bool ServesAllServices { get; init; }

    /// <summary>Endpoints loading at a time. Default 16; 1 or more. Models have a bound of their own.</summary>
    public int LoadCount { get; init; } = 16;

    /// <summary>Wait before the second attempt after a failure; it doubles with each further one. Default 1 s.</summary>
    public TimeSpan FirstRetryDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Longest wait between attempts. Default 1 min.</summary>
    public TimeSpan LongestRetryDelay { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Server that runs the models of <c>triton</c> endpoints where the service names none
    /// (<c>CLEARML_DEFAULT_TRITON_GRPC_ADDR</c>); null = this one.</summary>
    public string? RemoteGrpcServer { get; init; }

    /// <summary>Compress requests to it where the service does not say (<c>CLEARML_DEFAULT_TRITON_GRPC_COMPRESSION</c>).</summary>
    public bool CompressesRemote { get; init; }

    /// <summary>Share of calls that are sampled where the service says nothing, 0 to 1.</summary>
    public double LogFrequency { get; init; } = 1;

    /// <summary>Kafka's address for samples where the service names none; empty = none.</summary>
    public string KafkaServer { get; init; } = "";
}
