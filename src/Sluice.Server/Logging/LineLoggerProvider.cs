using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Sluice.Server.Logging;

/// <summary>Writes log records as lines; text in messages is escaped, so no client can forge a line.</summary>
/// <remarks><b>Threads.</b> Any number; a line is written whole.</remarks>
public sealed class LineLoggerProvider : ILoggerProvider
{
    private readonly TextWriter _output;
    private readonly LogState _state;
    private readonly TimeProvider _time;
    private readonly bool _ownsOutput;

    /// <summary>Creates a provider.</summary>
    /// <param name="state">Levels and format, followed as they change; the file is opened here, at its end.</param>
    /// <param name="time">The clock of the lines.</param>
    /// <param name="output">Where lines go when the state names no file; standard error unless given.</param>
    public LineLoggerProvider(LogState state, TimeProvider time, TextWriter? output = null)
    {
        _state = state;
        _time = time;
        var file = state.Current.File;
        _ownsOutput = file.Length > 0;
        _output = _ownsOutput
            ? new StreamWriter(file, append: true, new UTF8Encoding(false)) { AutoFlush = true }
            : output ?? Console.Error;
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
        _state.Current.IsEnabled(level) &&
        (level >= LogLevel.Warning || !category.StartsWith("Microsoft.", StringComparison.Ordinal));

    private void Write(LogLevel level, string category, EventId id, string message, Exception? error)
    {
        var now = _time.GetUtcNow();
        var line = _state.Current.Format == LogFormat.Json
            ? JsonLine(level, category, id, message, error, now)
            : TextLine(level, category, id, message, error, now);
        lock (_output)
            _output.WriteLine(line);
    }

    /// <summary>Writes the original's line; where that has a file and a line there is the source and the event's number.</summary>
    private string TextLine(LogLevel level, string category, EventId id, string message, Exception? error, DateTimeOffset now)
    {
        var source = category[(category.LastIndexOf('.') + 1)..];
        var letter = level switch
        {
            LogLevel.Critical or LogLevel.Error => 'E',
            LogLevel.Warning => 'W',
            _ => 'I',
        };
        var head = _state.Current.Format == LogFormat.Iso8601
            ? string.Create(
                CultureInfo.InvariantCulture, $"{now:yyyy-MM-ddTHH:mm:ss}Z {letter} {Environment.ProcessId} {source}:{id.Id}]")
            : string.Create(
                CultureInfo.InvariantCulture, $"{letter}{now:MMdd HH:mm:ss.ffffff} {Environment.ProcessId} {source}:{id.Id}]");
        var text = error is null ? message : $"{message}\n{error}";
        return $"{head} \"{JsonEncodedText.Encode(text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping)}\"";
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
