using Microsoft.Extensions.Logging;

namespace Sluice.Statistics.Kafka;

/// <summary>Log records of the Kafka producer.</summary>
internal static partial class KafkaLog
{
    [LoggerMessage(EventId = 1500, EventName = "KafkaUnusable", Level = LogLevel.Warning, Message = "statistics do not go to Kafka at '{Server}': {Reason}")]
    public static partial void Unusable(ILogger logger, string server, string reason);

    [LoggerMessage(EventId = 1501, EventName = "KafkaUnreachable", Level = LogLevel.Warning, Message = "no broker of Kafka at '{Server}' can be reached; records wait, and are dropped and counted when that lasts: {Reason}")]
    public static partial void Unreachable(ILogger logger, string server, string reason);

    [LoggerMessage(EventId = 1502, EventName = "KafkaReached", Level = LogLevel.Information, Message = "statistics go to Kafka at '{Server}'")]
    public static partial void Reached(ILogger logger, string server);

    [LoggerMessage(EventId = 1503, EventName = "KafkaDetail", Level = LogLevel.Debug, Message = "librdkafka for '{Server}': {Text}")]
    public static partial void Detail(ILogger logger, string server, string text);
}
