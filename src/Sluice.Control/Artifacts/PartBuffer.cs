namespace Sluice.Control.Artifacts;

/// <summary>Collects the bytes of an object into the parts in which its store takes it.</summary>
/// <remarks>Parts grow with their number, so that the largest file fits the store's bound on them; the memory is one part.
/// <b>Threads.</b> One at a time.</remarks>
internal sealed class PartBuffer(int mostParts)
{
    private const int SmallestPart = 16 * 1024 * 1024;
    private const int Steps = 5;

    private byte[] _bytes = [];

    /// <summary>Bytes of the part so far.</summary>
    public int Length { get; private set; }

    /// <summary>Parts that were taken.</summary>
    public int PartCount { get; private set; }

    /// <summary>The part so far.</summary>
    public ArraySegment<byte> Part => new(_bytes, 0, Length);

    /// <summary>Takes as many bytes as fit.</summary>
    /// <returns>What did not fit; the part is to be sent before more is added.</returns>
    public ReadOnlyMemory<byte> Add(ReadOnlyMemory<byte> bytes)
    {
        var capacity = SmallestPart << (PartCount * Steps / mostParts);
        if (_bytes.Length < capacity && Length + bytes.Length > _bytes.Length)
            Array.Resize(ref _bytes, (int)Math.Min(capacity, Math.Max(2L * _bytes.Length, Length + (long)bytes.Length)));
        var count = Math.Min(bytes.Length, _bytes.Length - Length);
        bytes[..count].CopyTo(_bytes.AsMemory(Length));
        Length += count;
        return bytes[count..];
    }

    /// <summary>True when the part is to be sent.</summary>
    public bool IsFull => Length >= SmallestPart << (PartCount * Steps / mostParts);

    /// <summary>Begins the next part.</summary>
    public void Next()
    {
        Length = 0;
        PartCount++;
    }
}
