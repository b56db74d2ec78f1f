using Microsoft.Extensions.Logging;

namespace Sluice.Backends.OnnxRuntime;

internal static partial class OnnxRuntimeLog
{
    [LoggerMessage(1400, LogLevel.Information, "ONNX Runtime {Version} from {Path}, {ThreadCount} threads shared by all models",
        EventName = "OnnxRuntimeLoaded")]
    public static partial void Loaded(ILogger logger, string version, string path, int threadCount);

    [LoggerMessage(EventId = 1401, EventName = "OnnxRuntimeMessage", Message = "{Category} {LogId}: {Text} ({Location})")]
    public static partial void Engine(
        ILogger logger, LogLevel level, string category, string logId, string text, string location);

    [LoggerMessage(1402, LogLevel.Debug,
        "Model {Model}: output {Output} does not have the shape its file states; its memory is left to the engine",
        EventName = "OnnxOutputShapeDiffers")]
    public static partial void OutputShapeDiffers(ILogger logger, string model, string output);

    [LoggerMessage(1403, LogLevel.Debug, "Model {Model} is slow enough for the shared threads and runs on them from now on",
        EventName = "OnnxMovedToSharedThreads")]
    public static partial void MovedToSharedThreads(ILogger logger, string model);

    [LoggerMessage(1404, LogLevel.Warning, "Model {Model} could not be loaded again for the shared threads; it stays on one",
        EventName = "OnnxMoveFailed")]
    public static partial void MoveFailed(ILogger logger, string model, Exception error);
}
