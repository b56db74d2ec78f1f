using System.Globalization;
using Sluice.Inference;

namespace Sluice.Client;

/// <summary>A call failed: the server said so, or it could not be reached, or the deadline passed.</summary>
public sealed class SluiceException : Exception
{
    /// <summary>Creates a failure.</summary>
    public SluiceException(InferenceCode code, string message, Exception? inner = null)
        : base(message, inner) => Code = code;

    /// <summary>The status; never <see cref="InferenceCode.Ok"/>.</summary>
    public InferenceCode Code { get; }

    /// <summary>Trailers that came with the status.</summary>
    public RpcMetadata Trailers { get; init; } = RpcMetadata.Empty;

    /// <summary>When the server wants to be asked again (<c>grpc-retry-pushback-ms</c>), milliseconds; negative = not at all, null = it does
    /// not say.</summary>
    public int? PushbackMilliseconds
    {
        get => field ?? ReadPushback();
        init;
    }

    /// <summary>
    /// True when the request was certainly not worked on: nothing was sent, or the server refused it before looking at it.
    /// </summary>
    public bool WasNotProcessed { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"{Code.ToName()}: {base.ToString()}";

    private int? ReadPushback() => Trailers.Get("grpc-retry-pushback-ms") is { } text
        ? int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var milliseconds) ? milliseconds : -1
        : null;
}
