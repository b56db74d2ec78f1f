using Microsoft.Extensions.Logging;

namespace Sluice.Models;

internal static partial class ModelsLog
{
    [LoggerMessage(1200, LogLevel.Information, "Loaded model {Model} version {Version} in {Seconds:F3} s",
        EventName = "ModelLoaded")]
    public static partial void ModelLoaded(this ILogger logger, string model, string version, double seconds);

    [LoggerMessage(1201, LogLevel.Error, "Failed to load model {Model} version {Version}: {Reason}",
        EventName = "ModelLoadFailed")]
    public static partial void ModelLoadFailed(this ILogger logger, string model, string version, string reason);

    [LoggerMessage(1202, LogLevel.Information, "Unloaded model {Model} version {Version}",
        EventName = "ModelUnloaded")]
    public static partial void ModelUnloaded(this ILogger logger, string model, string version);

    [LoggerMessage(1203, LogLevel.Warning, "Model {Model} version {Version} keeps serving what it was: {Reason}",
        EventName = "ReloadFailed")]
    public static partial void ReloadFailed(this ILogger logger, string model, string version, string reason);

    [LoggerMessage(1204, LogLevel.Warning, "Attempt {Attempt} to load model {Model} version {Version} failed: {Reason}",
        EventName = "LoadRetried")]
    public static partial void LoadRetried(this ILogger logger, int attempt, string model, string version, string reason);

    [LoggerMessage(1205, LogLevel.Error, "Failed to read the model repositories: {Reason}",
        EventName = "PollFailed")]
    public static partial void PollFailed(this ILogger logger, string reason);

    [LoggerMessage(1206, LogLevel.Error, "Failed to release model {Model} version {Version}",
        EventName = "ReleaseFailed")]
    public static partial void ReleaseFailed(this ILogger logger, Exception exception, string model, string version);

    [LoggerMessage(1207, LogLevel.Error, "Failed to load model {Model}: {Reason}",
        EventName = "ModelRefused")]
    public static partial void ModelRefused(this ILogger logger, string model, string reason);

    [LoggerMessage(1209, LogLevel.Information, "Model {Model} version {Version} goes on with instance groups of {Count} in all",
        EventName = "InstancesChanged")]
    public static partial void InstancesChanged(this ILogger logger, string model, string version, int count);

    [LoggerMessage(1208, LogLevel.Warning, "Ensemble {Model} waits for a model that it consists of: {Reason}",
        EventName = "EnsembleSuspended")]
    public static partial void EnsembleSuspended(this ILogger logger, string model, string reason);
}
