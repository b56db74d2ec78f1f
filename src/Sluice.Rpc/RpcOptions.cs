using System.IO.Compression;
using Sluice.Inference;
using Sluice.Rpc.Access;

namespace Sluice.Rpc;

/// <summary>Limits and choices of the RPC layer.</summary>
public sealed record RpcOptions
{
    /// <summary>Largest message received, bytes after decompression. Default and most 2,147,483,647, as clients expect.</summary>
    public int MaxReceiveMessageBytes { get; init; } = int.MaxValue;

    /// <summary>Largest message sent, bytes. Default and most 2,147,483,647.</summary>
    public int MaxSendMessageBytes { get; init; } = int.MaxValue;

    /// <summary>How hard inference responses are compressed for clients that accept it; null = not at all (default).</summary>
    public CompressionLevel? ResponseCompression { get; init; }

    /// <summary>Messages longer than this are landed in one native buffer as they arrive. Default 64 KiB.</summary>
    public int LandingThresholdBytes { get; init; } = 64 * 1024;

    /// <summary>Headers that inference requests get as parameters; null = none (default).</summary>
    public HeaderForwarding? ForwardedHeaders { get; init; }

    /// <summary>What a caller must send, by path of the method; null = nothing is restricted (default).</summary>
    public IReadOnlyDictionary<string, RequiredHeader>? RequiredHeaders { get; init; }

    /// <summary>Write a log line for every call. Default false.</summary>
    public bool AccessLog { get; init; }

    /// <summary>Says whether the beginnings of calls are noted for traces.</summary>
    public TraceSwitch Tracing { get; init; } = new();

    /// <summary>Finds out who calls and holds callers to what they may do; null = everybody may do everything (default).</summary>
    public IAuthenticator? Authenticator { get; init; }

    /// <summary>Most requests of one stream that may be unanswered; past it the stream is not read. Default 1,024.</summary>
    public int MaxInFlightPerStream { get; init; } = 1024;

    /// <summary>Bytes of one stream's unanswered requests past which it is not read. Default 64 MiB; a single request may be
    /// larger.</summary>
    public long MaxInFlightBytesPerStream { get; init; } = 64 * 1024 * 1024;
}
