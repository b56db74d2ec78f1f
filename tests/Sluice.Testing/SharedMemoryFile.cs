namespace Sluice.Testing;

/// <summary>A shared memory object of a test's own, as another process would make it; removed at the end.</summary>
public sealed class SharedMemoryFile : IDisposable
{
    private const string Folder = "/dev/shm";

    public SharedMemoryFile(int byteSize)
    {
        Key = $"/sluice-test-{Guid.NewGuid():N}";
        File.WriteAllBytes(Path, new byte[byteSize]);
    }

    /// <summary>Its name for <c>shm_open</c>.</summary>
    public string Key { get; }

    public string Path => Folder + Key;

    public void Write(int offset, ReadOnlySpan<byte> bytes)
    {
        using var file = Open();
        RandomAccess.Write(file, bytes, offset);
    }

    public byte[] Read(int offset, int count)
    {
        using var file = Open();
        var bytes = new byte[count];
        RandomAccess.Read(file, bytes, offset);
        return bytes;
    }

    public void SetLength(long byteSize)
    {
        using var file = Open();
        RandomAccess.SetLength(file, byteSize);
    }

    /// <summary>Takes its name away; who has it open keeps it.</summary>
    public void Unlink() => File.Delete(Path);

    public void Dispose() => Unlink();

    private Microsoft.Win32.SafeHandles.SafeFileHandle Open() =>
        File.OpenHandle(Path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
}
