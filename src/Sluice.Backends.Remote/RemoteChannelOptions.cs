using System.Collections.Immutable;
using System.Globalization;
using Sluice.Client;

namespace Sluice.Backends.Remote;

/// <summary>How other servers are called; read from variables <c>CLEARML_GRPC_…</c>, which the original hands to its gRPC library.</summary>
public sealed record RemoteChannelOptions
{
    private const string Prefix = "CLEARML_GRPC_";

    /// <summary>Largest message received; -1 or less in the variable means no limit. Default 2,147,483,591 bytes.</summary>
    public int MaxReceiveMessageBytes { get; init; } = Array.MaxLength;

    /// <summary>Silence after which a peer is pinged; null = never.</summary>
    public TimeSpan? KeepAliveTime { get; init; }

    /// <summary>Time for its answer.</summary>
    public TimeSpan KeepAliveTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Longest wait for an answer. Default 480 s, as the original waits.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(480);

    /// <summary>Variables that were given and change nothing here.</summary>
    public ImmutableArray<string> WithoutEffect { get; init; } = [];

    /// <summary>Reads the variables; the part behind the prefix is the gRPC library's name of the option, in either case.</summary>
    /// <param name="variables">All variables of the process.</param>
    /// <exception cref="FormatException">A value is no number.</exception>
    public static RemoteChannelOptions Read(IEnumerable<KeyValuePair<string, string>> variables)
    {
        var options = new RemoteChannelOptions();
        foreach (var (name, value) in variables.Where(pair => pair.Key.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            options = name[Prefix.Length..].ToLowerInvariant() switch
            {
                "max_receive_message_length" => options with
                {
                    MaxReceiveMessageBytes = Number(name, value) is var bytes && bytes <= 0 ? Array.MaxLength : (int)Math.Min(bytes, Array.MaxLength),
                },
                "keepalive_time_ms" => options with { KeepAliveTime = TimeSpan.FromMilliseconds(Math.Max(1000, Number(name, value))) },
                "keepalive_timeout_ms" => options with { KeepAliveTimeout = TimeSpan.FromMilliseconds(Math.Max(1, Number(name, value))) },
                // A message that is sent has no limit here.
                "max_send_message_length" => options,
                _ => options with { WithoutEffect = options.WithoutEffect.Add(name) },
            };
        }

        return options;
    }

    /// <summary>Makes the client's settings.</summary>
    internal SluiceClientOptions ToClient(bool compresses) => new()
    {
        CompressesRequests = compresses,
        MaxReceiveMessageBytes = MaxReceiveMessageBytes,
        DefaultTimeout = Timeout,
        ConfigureHandler = KeepAliveTime is { } time
            ? handler =>
            {
                handler.KeepAlivePingDelay = time;
                handler.KeepAlivePingTimeout = KeepAliveTimeout;
            }
        : null,
    };

    private static long Number(string name, string value) =>
        long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new FormatException($"{name}: '{value}' must be a whole number");
}
