using Microsoft.Extensions.Logging;

namespace Sluice.Backends.Forest;

/// <summary>What the engine tells.</summary>
internal static partial class ForestLog
{
    [LoggerMessage(2600, LogLevel.Information, "model '{Model}': {Summary}")]
    public static partial void Loaded(ILogger logger, string model, string summary);
}
