using System.Globalization;

namespace Sluice.Server.Tracing;

/// <summary>The trace file, or its numbered siblings. After each write the file is a complete JSON array.</summary>
/// <remarks><b>Threads.</b> One.</remarks>
internal sealed class TraceFile(string path) : IDisposable
{
    private FileStream? _stream;
    private int _index;

    /// <summary>Adds objects to the file; the first call begins it anew.</summary>
    /// <param name="objects">JSON with commas between.</param>
    public void Append(ReadOnlySpan<byte> objects)
    {
        if (_stream is null)
        {
            _stream = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read);
            _stream.Write("["u8);
        }
        else
        {
            // Over the bracket that closed it.
            _stream.Seek(-1, SeekOrigin.End);
            _stream.Write(","u8);
        }

        _stream.Write(objects);
        _stream.Write("]"u8);
        _stream.Flush();
    }

    /// <summary>Writes objects to the next numbered file: <c>NAME.0</c>, <c>NAME.1</c>, and so on.</summary>
    /// <param name="objects">JSON with commas between.</param>
    public void WriteNumbered(ReadOnlySpan<byte> objects)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"{path}.{_index++}");
        using var stream = new FileStream(name, FileMode.Create, FileAccess.Write, FileShare.Read);
        stream.Write("["u8);
        stream.Write(objects);
        stream.Write("]"u8);
    }

    public void Dispose() => _stream?.Dispose();
}
