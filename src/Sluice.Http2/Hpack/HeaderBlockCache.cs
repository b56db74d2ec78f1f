namespace Sluice.Http2.Hpack;

/// <summary>Remembers decoded header blocks, so that the same call made again is not decoded again.</summary>
/// <remarks>The bytes mean the same as long as the dynamic table has not changed, which its generation tells.</remarks>
internal sealed class HeaderBlockCache
{
    private const int Slots = 8;
    private const int LargestBlock = 512;

    private readonly (byte[] Block, int Generation, HeaderList? Headers)[] _entries =
        new (byte[], int, HeaderList?)[Slots];

    private int _next;

    /// <summary>Finds the fields of a block that was seen before.</summary>
    public HeaderList? Find(ReadOnlySpan<byte> block, int generation)
    {
        foreach (ref var entry in _entries.AsSpan())
        {
            if (entry.Headers is not null && entry.Generation == generation && block.SequenceEqual(entry.Block))
                return entry.Headers;
        }

        return null;
    }

    /// <summary>Remembers a block that left the dynamic table as it was.</summary>
    public void Add(ReadOnlySpan<byte> block, int generation, HeaderList headers)
    {
        if (block.Length > LargestBlock)
            return;
        _entries[_next] = (block.ToArray(), generation, headers);
        _next = (_next + 1) % Slots;
    }
}
