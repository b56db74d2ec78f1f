using System.Globalization;
using System.Text.Json.Serialization;

namespace Sluice.Load.Measuring;

/// <summary>What one run measured; also a line of the table and an object of the JSON output.</summary>
internal sealed record LoadReport
{
    [JsonPropertyName("scenario")]
    public required string Scenario { get; init; }

    /// <summary>Calls in flight of a closed loop; 0 = open loop.</summary>
    [JsonPropertyName("concurrency")]
    public int Concurrency { get; init; }

    /// <summary>Requests per second that an open loop asked for; 0 = closed loop.</summary>
    [JsonPropertyName("rate")]
    public double Rate { get; init; }

    [JsonPropertyName("requests")]
    public required long Requests { get; init; }

    [JsonPropertyName("errors")]
    public required long Errors { get; init; }

    [JsonPropertyName("first_error")]
    public string? FirstError { get; init; }

    [JsonPropertyName("rps")]
    public required double RequestsPerSecond { get; init; }

    [JsonPropertyName("mean_us")]
    public required double MeanMicroseconds { get; init; }

    [JsonPropertyName("p50_us")]
    public required double P50Microseconds { get; init; }

    [JsonPropertyName("p90_us")]
    public required double P90Microseconds { get; init; }

    [JsonPropertyName("p99_us")]
    public required double P99Microseconds { get; init; }

    [JsonPropertyName("p999_us")]
    public required double P999Microseconds { get; init; }

    [JsonPropertyName("max_us")]
    public required double MaxMicroseconds { get; init; }

    /// <summary>Server CPU time per request; null without <c>--server-pid</c>.</summary>
    [JsonPropertyName("cpu_us_per_request")]
    public double? CpuMicrosecondsPerRequest { get; init; }

    public static string TableHead =>
        $"{"scenario",-12} {"load",10} {"requests",10} {"errors",7} {"req/s",10} {"p50 µs",9} {"p90 µs",9} {"p99 µs",9} " +
        $"{"p99.9 µs",9} {"max µs",9} {"CPU µs",8}";

    public string ToTableLine()
    {
        var load = Concurrency > 0 ? $"{Concurrency}" : string.Create(CultureInfo.InvariantCulture, $"{Rate:0}/s");
        var cpu = CpuMicrosecondsPerRequest is { } value ? value.ToString("0.0", CultureInfo.InvariantCulture) : "-";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{Scenario,-12} {load,10} {Requests,10} {Errors,7} {RequestsPerSecond,10:0} {P50Microseconds,9:0.0} " +
            $"{P90Microseconds,9:0.0} {P99Microseconds,9:0.0} {P999Microseconds,9:0.0} {MaxMicroseconds,9:0.0} {cpu,8}");
    }
}
