using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Sluice.Server.Logging;

/// <summary>How log lines look.</summary>
public enum LogFormat
{
    /// <summary>Level letter, date, time, process, source, then the quoted message, as the original writes it.</summary>
    Default,

    /// <summary>ISO 8601 time, process, source, level, then the quoted message.</summary>
    Iso8601,

    /// <summary>One JSON object per line.</summary>
    Json,
}

/// <summary>Writes log records as lines; text in messages is escaped, so no client can forge a line.</summary>
/// <remarks><b>Threads.</b> Any number; a line is written whole.</remarks>
public sealed class LineLoggerProvider : ILoggerProvider
{
    private readonly TextWriter _output;
    private readonly LogFormat _format;
    private readonly LogLevel _least;
    private readonly TimeProvider _time;
    private readonly bool _ownsOutput;

    /// <summary>Creates a provider.</summary>
    /// <param name="options">Level, format and file.</param>
    /// <param name="time">The clock of the lines.</param>
    public LineLoggerProvider(ServerOptions options, TimeProvider time)
    {
        _format = options.LogFormat;
        _least = options.LogLevel;
        _time = time;
        _ownsOutput = options.LogFile.Length > 0;
        _output = _ownsOutput
            ? new StreamWriter(options.LogFile, append: true, new UTF8Encoding(false)) { AutoFlush = true }
            : Console.Error;
    }

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new LineLogger(this, categoryName);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_ownsOutput)
            _output.Dispose();
    }

    private bool IsEnabled(LogLevel level, string category) =>
        level >= _least && level != LogLevel.None &&
        (level >= LogLevel.Warning || !category.StartsWith("Microsoft.", StringComparison.Ordinal));

    private void Write(LogLevel level, string category, EventId id, string message, Exception? error)
    {
        var now = _time.GetLocalNow();
        var line = _format == LogFormat.Json
            ? JsonLine(level, category, id, message, error, now)
            : TextLine(level, category, message, error, now);
        lock (_output)
            _output.WriteLine(line);
    }

    private string TextLine(LogLevel level, string category, string message, Exception? error, DateTimeOffset now)
    {
        var source = category[(category.LastIndexOf('.') + 1)..];
        var letter = level switch
        {
            LogLevel.Critical or LogLevel.Error => 'E',
            LogLevel.Warning => 'W',
            LogLevel.Information => 'I',
            _ => 'V',
        };
        var head = _format == LogFormat.Iso8601
            ? string.Create(
                CultureInfo.InvariantCulture, $"{now:yyyy-MM-ddTHH:mm:ssZ} {Environment.ProcessId} {source}] {letter}:")
            : string.Create(CultureInfo.InvariantCulture, $"{letter}{now:MMdd HH:mm:ss.ffffff} {Environment.ProcessId} {source}]");
        var text = error is null ? message : $"{message}\n{error}";
        return $"{head} {JsonEncodedText.Encode(text, System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping)}";
    }

    private static string JsonLine(
        LogLevel level, string category, EventId id, string message, Exception? error, DateTimeOffset now)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("time", now.UtcDateTime);
            json.WriteString("level", level.ToString());
            json.WriteString("source", category);
            json.WriteNumber("id", id.Id);
            json.WriteString("event", id.Name);
            json.WriteString("message", message);
            if (error is not null)
                json.WriteString("error", error.ToString());
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    private sealed class LineLogger(LineLoggerProvider provider, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => provider.IsEnabled(logLevel, category);

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
                provider.Write(logLevel, category, eventId, formatter(state, exception), exception);
        }
    }
}
