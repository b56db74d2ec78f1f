using Sluice.Scheduling.Cache;

namespace Sluice.Scheduling.Tests.Cache;

public sealed class CacheHashTests
{
    [Fact]
    public void Hash_HoweverTheBytesAreCut_IsTheSame()
    {
        var bytes = Enumerable.Range(0, 1000).Select(i => (byte)(i * 7)).ToArray();
        var whole = Hash(bytes);
        for (var cut = 0; cut < bytes.Length; cut += 3)
        {
            var hash = CacheHash.Create();
            hash.Add(bytes.AsSpan(0, cut));
            hash.Add([]);
            hash.Add(bytes.AsSpan(cut));
            Assert.Equal(whole, hash.Finish());
        }
    }

    [Fact]
    public void Hash_OfEachLengthAndEachBit_IsAnother()
    {
        var seen = new HashSet<UInt128>();
        for (var length = 0; length < 200; length++)
            Assert.True(seen.Add(Hash(new byte[length])), $"{length} zeros");
        for (var bit = 0; bit < 8 * 100; bit++)
        {
            var bytes = new byte[100];
            bytes[bit / 8] = (byte)(1 << (bit % 8));
            Assert.True(seen.Add(Hash(bytes)), $"bit {bit}");
        }
    }

    private static UInt128 Hash(byte[] bytes)
    {
        var hash = CacheHash.Create();
        hash.Add(bytes);
        return hash.Finish();
    }
}
