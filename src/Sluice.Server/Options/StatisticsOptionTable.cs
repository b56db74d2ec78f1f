using System.Globalization;
using Sluice.History;

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
        new("history", "on or off: keep what endpoints did, for the page and the serving calls. Default on.", (o, v) => With(o, h => h with { IsOn = OptionTable.Bool(v) })),
        new("history-folder", "Folder of the history's file. Default that of --store; with PostgreSQL the history is there.", (o, v) => With(o, h => h with { Folder = v })),
        new("history-days", "Days that the history is kept, 1 to 366. Default 31.", (o, v) => With(o, h => h with { Retention = TimeSpan.FromDays(OptionTable.Int(v, 1) is var days and <= 366 ? days : throw new FormatException("must be at most 366")) })),
        new("history-max-bytes", "Most bytes of the history; past it the oldest samples go. Default 536870912.", (o, v) => With(o, h => h with { MaxBytes = OptionTable.Long(v, 1 << 20) })),
        new("history-interval-secs", "Seconds between samples. Default 30.", (o, v) => With(o, h => h with { Interval = OptionTable.Seconds(v) is var interval && interval >= TimeSpan.FromSeconds(1) ? interval : throw new FormatException("must be at least 1") })),
    ];

    private static ServerOptions With(ServerOptions options, Func<HistoryOptions, HistoryOptions> change) =>
        options with { Statistics = options.Statistics with { History = change(options.Statistics.History) } };

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
