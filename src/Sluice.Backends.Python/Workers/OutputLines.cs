using System.Text;
using Sluice.Backends.Python.Interop;

namespace Sluice.Backends.Python.Workers;

/// <summary>Cuts what a worker prints into lines, and remembers the last ones.</summary>
internal sealed class OutputLines(int file, Action<string> onLine)
{
    private const int LongestLine = 8192;
    private const int KeptLines = 12;

    private readonly byte[] _bytes = new byte[LongestLine];
    private readonly Queue<string> _last = new();
    private int _length;
    private bool _isOver;

    /// <summary>The pipe; -1 when it has ended.</summary>
    public int File => _isOver ? -1 : file;

    /// <summary>The last lines, for the message of a process that ended; empty when there are none.</summary>
    public string Tail => _last.Count == 0 ? "" : "\n" + string.Join('\n', _last);

    /// <summary>Reads once.</summary>
    /// <returns>False at the end.</returns>
    public bool Read()
    {
        var count = LibC.Read(file, _bytes.AsSpan(_length));
        if (count <= 0)
        {
            _isOver = true;
            LibC.Close(file);
            if (_length > 0)
                Tell(_bytes.AsSpan(0, _length));
            _length = 0;
            return false;
        }

        _length += (int)count;
        var rest = _bytes.AsSpan(0, _length);
        for (var end = rest.IndexOf((byte)'\n'); end >= 0; end = rest.IndexOf((byte)'\n'))
        {
            Tell(rest[..end]);
            rest = rest[(end + 1)..];
        }

        if (rest.Length == _bytes.Length)
        {
            Tell(rest);
            rest = default;
        }

        rest.CopyTo(_bytes);
        _length = rest.Length;
        return true;
    }

    /// <summary>Reads what is left of an ended process. Whoever still holds the pipe is not waited for: the session is gone.</summary>
    public void Drain()
    {
        while (!_isOver && Read())
        {
        }
    }

    private void Tell(ReadOnlySpan<byte> line)
    {
        if (line.IsEmpty)
            return;
        var text = Encoding.UTF8.GetString(line);
        _last.Enqueue(text);
        if (_last.Count > KeptLines)
            _last.Dequeue();
        onLine(text);
    }
}
