namespace Sluice.Client;

/// <summary>What one call wants beyond its request; may be shared by calls, but for the received metadata.</summary>
public sealed record CallOptions
{
    internal static readonly CallOptions Default = new();

    /// <summary>
    /// Time from now until the answer must be there, retries included; the server knows it too. Null = the client's default.
    /// </summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Headers to send; null = none.</summary>
    public RpcMetadata? Metadata { get; init; }

    /// <summary>Filled with the headers and trailers that came back; null = not wanted.</summary>
    public RpcMetadata? ReceivedMetadata { get; init; }

    /// <summary>Compress the request with gzip. Default: the client's choice.</summary>
    public bool? CompressesRequest { get; init; }

    /// <summary>How to try again. Default: the client's policy.</summary>
    public RetryPolicy? Retry { get; init; }
}
