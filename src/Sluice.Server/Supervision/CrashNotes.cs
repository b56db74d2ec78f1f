using System.IO.MemoryMappedFiles;
using System.Text;

namespace Sluice.Server.Supervision;

/// <summary>What the engines are at, kept where it outlives the process: a page of memory in a file.</summary>
/// <remarks>
/// <para>Each instance has a line of its own with its model's name; beginning and ending an execution each write one word of it.</para>
/// <para><b>Threads.</b> Any; each line has one writer at a time.</para>
/// </remarks>
public sealed unsafe class CrashNotes : IDisposable
{
    private const int LineBytes = 256;
    private const int LineCount = 4096;
    private const int NameOffset = 8;

    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _start;
    private readonly Lock _gate = new();
    private readonly Stack<int> _free = new();
    private int _used;

    private CrashNotes(MemoryMappedFile file)
    {
        _file = file;
        _view = file.CreateViewAccessor();
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
    }

    /// <summary>Makes an empty file, or empties the one that is there.</summary>
    public static CrashNotes Create(string path)
    {
        using (var stream = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.ReadWrite))
            stream.SetLength((long)LineBytes * LineCount);
        return Open(path);
    }

    /// <summary>Opens the file of another process.</summary>
    /// <exception cref="IOException">It is not there.</exception>
    public static CrashNotes Open(string path) => new(MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, (long)LineBytes * LineCount));

    /// <summary>Takes a line for a model's instance.</summary>
    /// <returns>The line; -1 when all are taken.</returns>
    public int Take(string model)
    {
        lock (_gate)
        {
            if (!_free.TryPop(out var line))
            {
                if (_used == LineCount)
                    return -1;
                line = _used++;
            }

            var name = Encoding.UTF8.GetBytes(model);
            var length = Math.Min(name.Length, LineBytes - NameOffset);
            name.AsSpan(0, length).CopyTo(new Span<byte>(Line(line) + NameOffset, length));
            *(int*)(Line(line) + 4) = length;
            return line;
        }
    }

    /// <summary>Gives a line back.</summary>
    public void Return(int line)
    {
        if (line < 0)
            return;
        Mark(line, isAtWork: false);
        lock (_gate)
            _free.Push(line);
    }

    /// <summary>Notes that native code of the line's model begins or has ended to run.</summary>
    public void Mark(int line, bool isAtWork)
    {
        if (line >= 0)
            Volatile.Write(ref *(int*)Line(line), isAtWork ? 1 : 0);
    }

    /// <summary>Lists the models whose native code was running.</summary>
    public IReadOnlyList<string> ReadAtWork()
    {
        var models = new SortedSet<string>(StringComparer.Ordinal);
        for (var line = 0; line < LineCount; line++)
        {
            if (Volatile.Read(ref *(int*)Line(line)) == 1)
                models.Add(Encoding.UTF8.GetString(Line(line) + NameOffset, Math.Clamp(*(int*)(Line(line) + 4), 0, LineBytes - NameOffset)));
        }

        return [.. models];
    }

    /// <summary>Closes the file, which stays.</summary>
    public void Dispose()
    {
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
    }

    private byte* Line(int line) => _start + ((long)line * LineBytes);
}
