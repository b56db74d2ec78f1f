using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using static Sluice.Backends.OnnxRuntime.Tests.OnnxFile;

namespace Sluice.Backends.OnnxRuntime.Tests;

public sealed class OnnxRuntimeLogTests : IDisposable
{
    private const int Float = 1;

    private readonly OnnxModelFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void EngineWarning_AtLoad_ReachesOurLogAsWarning()
    {
        var file = new OnnxFile()
            .Node("Identity", ["x"], ["y"])
            .Input("x", TensorType(Float, 1L))
            .Output("y", TensorType(Float, 1L))
            .Initializer("nobody_uses_this", 1);
        using var log = new Recorder();
        using var backend = new OnnxRuntimeBackend(log);
        backend.Load(_folder.Add("wasteful", file.ToBytes())).Dispose();
        Assert.Contains(log.Lines, line =>
            line.Level == LogLevel.Warning && line.Text.Contains("nobody_uses_this", StringComparison.Ordinal));
        Assert.DoesNotContain(log.Lines, line => line.Level >= LogLevel.Error);
    }

    private sealed class Recorder : ILoggerFactory, ILogger
    {
        public ConcurrentQueue<(LogLevel Level, string Text)> Lines { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => Lines.Enqueue((logLevel, formatter(state, exception)));

        public void Dispose()
        {
        }
    }
}
