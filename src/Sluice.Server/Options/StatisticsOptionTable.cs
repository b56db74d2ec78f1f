using System.Globalization;

namespace Sluice.Server;

/// <summary>Settings of endpoints' statistics.</summary>
internal static class StatisticsOptionTable
{
    /// <summary>One row per setting.</summary>
    public static IEnumerable<OptionDefinition> All { get; } =
    [
        new("metric-log-freq", "Share of endpoints' calls that are sampled where neither endpoint nor service says so, 0 to 1. Default 1.", (o, v) => With(o, s => s with { LogFrequency = Share(v) })) { OtherVariable = "CLEARML_DEFAULT_METRIC_LOG_FREQ" },
        new("kafka-service-server", "Kafka's address for samples where a service names none, HOST:PORT[,HOST:PORT]. Default none.", (o, v) => With(o, s => s with { KafkaServer = v })) { OtherVariable = "CLEARML_DEFAULT_KAFKA_SERVE_URL" },
        new("kafka-config", "KEY=VALUE: a setting of librdkafka by its name there, such as security.protocol=SSL; repeat for several.", (o, v) => With(o, s => s with { Kafka = s.Kafka with { Settings = s.Kafka.Settings.Add(Setting(v)) } })),
        new("statistics-port", "One more port for the metrics page; the original's exporter has 9999. Default none; 0 picks a free one.", (o, v) => With(o, s => s with { Port = OptionTable.Port(v) })),
    ];

    private static ServerOptions With(ServerOptions options, Func<StatisticsOptions, StatisticsOptions> change) =>
        options with { Statistics = change(options.Statistics) };

    private static (string Name, string Value) Setting(string value)
    {
        var equals = value.IndexOf('=', StringComparison.Ordinal);
        return equals > 0 ? (value[..equals], value[(equals + 1)..]) : throw new FormatException("must look like KEY=VALUE");
    }

    private static double Share(string value) => double.TryParse(value, CultureInfo.InvariantCulture, out var share) && share is >= 0 and <= 1
        ? share
        : throw new FormatException("must be a number from 0 to 1");
}
