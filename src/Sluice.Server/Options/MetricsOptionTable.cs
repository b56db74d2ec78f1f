using System.Collections.Immutable;
using System.Globalization;
using Sluice.Statistics;

namespace Sluice.Server;

/// <summary>Settings of the metrics page.</summary>
internal static class MetricsOptionTable
{
    /// <summary>One row per setting.</summary>
    public static IEnumerable<OptionDefinition> All { get; } =
    [
        new("allow-cpu-metrics", "Show processor and memory of the machine. Default true.", (o, v) => With(o, m => m with { ShowsMachine = OptionTable.Bool(v) }), true),
        new("metrics-interval-ms", "Shortest time between two looks at the machine. Default 2000.", (o, v) => With(o, m => m with { Interval = TimeSpan.FromMilliseconds(OptionTable.Int(v, 1)) })),
        new("metrics-config", "counter_latencies=BOOL, summary_latencies=BOOL, histogram_latencies=BOOL, summary_quantiles=Q:ERROR,...; repeat for several.", (o, v) => With(o, m => Configure(m, v))),
    ];

    private static ServerOptions With(ServerOptions options, Func<MetricsOptions, MetricsOptions> change) =>
        options with { MetricsContent = change(options.MetricsContent) };

    private static MetricsOptions Configure(MetricsOptions metrics, string setting)
    {
        var equals = setting.IndexOf('=', StringComparison.Ordinal);
        var (name, value) = equals < 0 ? (setting, "") : (setting[..equals], setting[(equals + 1)..]);
        return name switch
        {
            "counter_latencies" => metrics with { HasCounters = OptionTable.Bool(value) },
            "summary_latencies" => metrics with { HasSummaries = OptionTable.Bool(value) },
            "histogram_latencies" => metrics with { HasHistograms = OptionTable.Bool(value) },
            "summary_quantiles" => metrics with { Quantiles = Quantiles(value) },
            _ => throw new FormatException("must set counter_latencies, summary_latencies, histogram_latencies or summary_quantiles"),
        };
    }

    /// <summary>Reads <c>quantile:error</c> pairs; the error has no use here, where every value is within an eighth.</summary>
    private static ImmutableArray<double> Quantiles(string value)
    {
        var quantiles = ImmutableArray.CreateBuilder<double>();
        foreach (var pair in value.Split(','))
        {
            var parts = pair.Split(':');
            if (parts.Length != 2 || !TryShare(parts[0], out var quantile) || !TryShare(parts[1], out _))
                throw new FormatException("must look like summary_quantiles=0.5:0.05,0.99:0.001 with numbers from 0 to 1");
            quantiles.Add(quantile);
        }

        return quantiles.ToImmutable();
    }

    private static bool TryShare(string text, out double share) =>
        double.TryParse(text, CultureInfo.InvariantCulture, out share) && share is >= 0 and <= 1;
}
