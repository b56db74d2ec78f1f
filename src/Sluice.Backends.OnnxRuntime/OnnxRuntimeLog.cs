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
}
