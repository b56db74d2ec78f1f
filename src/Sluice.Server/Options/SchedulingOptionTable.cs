using System.Globalization;
using Sluice.Scheduling.Cache;
using Sluice.Scheduling.RateLimit;

namespace Sluice.Server;

/// <summary>Settings of the response cache and of the rate limiter.</summary>
internal static class SchedulingOptionTable
{
    private const string CacheForms = "must look like local,size=BYTES or local,ttl-seconds=N";

    /// <summary>One row per setting.</summary>
    public static IEnumerable<OptionDefinition> All { get; } =
    [
        new("cache-config", "local,size=BYTES and local,ttl-seconds=N: the response cache, for models that enable it; repeat for both. Default none.", (o, v) => o with { Cache = Cache(o.Cache, v) }),
        new("response-cache-byte-size", "The older name of --cache-config local,size=BYTES.", (o, v) => o with { Cache = o.Cache with { SizeBytes = OptionTable.Long(v, 0) } }),
        new("rate-limit", "execution_count: instances run only while the resources of their rate_limiter are free; off: at will. Default off.", (o, v) => o with { RateLimit = o.RateLimit with { IsOn = IsOn(v) } }),
        new("rate-limit-resource", "NAME:COUNT[:DEVICE]: how much there is, else as much as the neediest instance takes; repeat for several.", (o, v) => o with { RateLimit = o.RateLimit with { Resources = o.RateLimit.Resources.Add(Resource(v)) } }),
    ];

    private static bool IsOn(string value) => value switch
    {
        "execution_count" => true,
        "off" => false,
        _ => throw new FormatException("must be execution_count or off"),
    };

    private static RateLimitResource Resource(string value)
    {
        var parts = value.Split(':');
        return parts.Length is 2 or 3 && parts[0].Length > 0
            ? new RateLimitResource(parts[0], OptionTable.Int(parts[1], 0), parts.Length == 3 ? OptionTable.Int(parts[2], 0) : null)
            : throw new FormatException("must look like NAME:COUNT or NAME:COUNT:DEVICE");
    }

    private static CacheOptions Cache(CacheOptions cache, string setting)
    {
        var comma = setting.IndexOf(',', StringComparison.Ordinal);
        var name = comma < 0 ? setting : setting[..comma];
        if (name != "local")
            throw new FormatException($"must name the cache 'local', the only one that this server has, and not '{name}'");
        var equals = setting.IndexOf('=', StringComparison.Ordinal);
        if (comma < 0 || equals < comma)
            throw new FormatException(CacheForms);
        var (key, value) = (setting[(comma + 1)..equals], setting[(equals + 1)..]);
        return key switch
        {
            "size" => cache with { SizeBytes = OptionTable.Long(value, 1) },
            "ttl-seconds" when double.TryParse(value, CultureInfo.InvariantCulture, out var seconds) && seconds is > 0 and < 1e9 =>
                cache with { Lifetime = TimeSpan.FromSeconds(seconds) },
            _ => throw new FormatException(CacheForms),
        };
    }
}
