using Sluice.Inference;
using Sluice.Rpc.Access;
using Sluice.Rpc.Transport;

namespace Sluice.Rest;

/// <summary>Where an HTTP port listens and how much it takes.</summary>
public sealed record RestListenOptions : ConnectionOptions
{
    /// <summary>Largest request body, compressed and decompressed. Bytes; default 64 MiB.</summary>
    public long MaxInputBytes { get; init; } = 64L * 1024 * 1024;

    /// <summary>Headers that inference requests get as parameters; null = none (default).</summary>
    public HeaderForwarding? ForwardedHeaders { get; init; }

    /// <summary>Write a log line for every request. Default false.</summary>
    public bool AccessLog { get; init; }

    /// <summary>Says whether the beginnings of requests are noted for traces.</summary>
    public TraceSwitch Tracing { get; init; } = new();

    /// <summary>Finds out who calls and holds callers to what they may do; null = everybody may do everything (default).</summary>
    public IAuthenticator? Authenticator { get; init; }

    /// <summary>Bodies up to this size are parsed in the transport's buffer, larger ones in one native buffer. Default 32 KiB.</summary>
    public int LandingThresholdBytes { get; init; } = 32 * 1024;
}
