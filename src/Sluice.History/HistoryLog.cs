using Microsoft.Extensions.Logging;

namespace Sluice.History;

internal static partial class HistoryLog
{
    [LoggerMessage(2750, LogLevel.Warning, "The history cannot be kept in {Store} now: {Reason} Serving goes on; it is tried again.", EventName = "HistoryStoreLost")]
    public static partial void StoreLost(ILogger logger, string store, string reason);

    [LoggerMessage(2751, LogLevel.Information, "The history is kept in {Store} again", EventName = "HistoryStoreFound")]
    public static partial void StoreFound(ILogger logger, string store);

    [LoggerMessage(2752, LogLevel.Warning, "The history in {Store} is no database any more; it is set aside as {Aside}", EventName = "HistorySetAside")]
    public static partial void SetAside(ILogger logger, string store, string aside);

    [LoggerMessage(2753, LogLevel.Warning, "A step of the history failed", EventName = "HistoryStepFailed")]
    public static partial void StepFailed(ILogger logger, Exception error);
}
