using Microsoft.Extensions.Logging;

namespace Sluice.Scheduling;

internal static partial class SchedulingLog
{
    [LoggerMessage(
        EventId = 1300, EventName = "ExecutionFailed", Level = LogLevel.Error, Message = "Model '{Model}' failed unexpectedly")]
    public static partial void ExecutionFailed(ILogger logger, string model, Exception error);

    [LoggerMessage(
        EventId = 1301, EventName = "BatchUnsafe", Level = LogLevel.Warning,
        Message = "Model '{Model}' gives other results for rows in a batch than for rows alone: output '{Output}' differs by " +
            "up to {Difference}. Its rows are not independent; set max_batch_size to 0 or remove dynamic_batching")]
    public static partial void BatchUnsafe(ILogger logger, string model, string output, double difference);

    [LoggerMessage(
        EventId = 1302, EventName = "ExecutionHangs", Level = LogLevel.Error,
        Message = "Model '{Model}' is not ready: instance '{Instance}' has been executing for {Seconds:F1} s")]
    public static partial void ExecutionHangs(ILogger logger, string model, string instance, double seconds);

    [LoggerMessage(
        EventId = 1303, EventName = "ExecutionGoesOn", Level = LogLevel.Warning,
        Message = "Model '{Model}' is ready again: no execution hangs any more")]
    public static partial void ExecutionGoesOn(ILogger logger, string model);

    [LoggerMessage(
        EventId = 1305, EventName = "Rehearsed", Level = LogLevel.Information,
        Message = "Model '{Model}' was warmed with {Count} requests that its predecessor had served; {Refused} more do not fit it, " +
            "{Late} took too long, {Left} were left out")]
    public static partial void Rehearsed(ILogger logger, string model, int count, int refused, int late, int left);

    [LoggerMessage(
        EventId = 1306, EventName = "RehearsalHangs", Level = LogLevel.Warning,
        Message = "Model '{Model}' begins with {Busy} of its {Instances} instances busy: each with a request that its predecessor had " +
            "taken, that takes too long and does not stop")]
    public static partial void RehearsalHangs(ILogger logger, string model, int busy, int instances);

    [LoggerMessage(
        EventId = 1307, EventName = "DisposalFailed", Level = LogLevel.Warning,
        Message = "Model '{Model}' could not be loaded, and not be let go of cleanly")]
    public static partial void DisposalFailed(ILogger logger, string model, Exception error);

    [LoggerMessage(
        EventId = 1308, EventName = "RehearsalFailed", Level = LogLevel.Warning,
        Message = "Instance {Instance} of model '{Model}' was not warmed with requests that its predecessor had served")]
    public static partial void RehearsalFailed(ILogger logger, string model, int instance, Exception error);

    [LoggerMessage(
        EventId = 1304, EventName = "SequenceConflict", Level = LogLevel.Debug,
        Message = "Sequence {Sequence} of model '{Model}' begins anew before its end came; the previous one is over")]
    public static partial void SequenceConflict(ILogger logger, string sequence, string model);
}
