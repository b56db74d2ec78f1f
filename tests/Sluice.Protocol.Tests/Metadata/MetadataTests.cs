using System.Diagnostics;
using Sluice.Protocol.Metadata;

namespace Sluice.Protocol.Tests;

public sealed class MetadataTests
{
    [Theory]
    [InlineData("1H", 36_000_000_000)]
    [InlineData("2M", 1_200_000_000)]
    [InlineData("3S", 30_000_000)]
    [InlineData("100m", 1_000_000)]
    [InlineData("5u", 50)]
    [InlineData("0u", 0)]
    [InlineData("1n", 1)]
    [InlineData("101n", 2)]
    [InlineData("99999999H", 99_999_999 * 36_000_000_000)]
    public void GrpcTimeout_Legal_IsRead(string text, long ticks)
    {
        Assert.True(GrpcTimeout.TryParse(text, out var timeout));
        Assert.Equal(ticks, timeout.Ticks);
    }

    [Theory]
    [InlineData("")]
    [InlineData("S")]
    [InlineData("5")]
    [InlineData("5s")]
    [InlineData("-1S")]
    [InlineData(" 1S")]
    [InlineData("1.5S")]
    [InlineData("123456789S")]
    [InlineData("٣S")]
    public void GrpcTimeout_Illegal_IsRefused(string text) => Assert.False(GrpcTimeout.TryParse(text, out _));

    [Theory]
    [InlineData(0, "0u")]
    [InlineData(-5, "0u")]
    [InlineData(19, "1u")]
    [InlineData(10_000_000, "1000000u")]
    [InlineData(1_000_000_000, "100000m")]
    [InlineData(long.MaxValue, "99999999H")]
    public void GrpcTimeout_Format_PicksTheFinestUnitThatFits(long ticks, string expected)
    {
        var text = GrpcTimeout.Format(TimeSpan.FromTicks(ticks));
        Assert.Equal(expected, text);
        Assert.True(GrpcTimeout.TryParse(text, out var back));
        Assert.True(back.Ticks <= Math.Max(0, ticks));
    }

    [Theory]
    [InlineData("1S")]
    [InlineData("2562047H")]
    [InlineData("99999999H")]
    public void GrpcTimeout_ToDeadline_LiesAhead(string text)
    {
        Assert.True(GrpcTimeout.TryParse(text, out var timeout));
        Assert.True(GrpcTimeout.ToDeadline(timeout) > Stopwatch.GetTimestamp());
    }

    [Theory]
    [InlineData("plain text, with ~ and \"quotes\"", "plain text, with ~ and \"quotes\"")]
    [InlineData("100 %", "100 %25")]
    [InlineData("a\nb\r\0", "a%0Ab%0D%00")]
    [InlineData("größe", "gr%C3%B6%C3%9Fe")]
    [InlineData("🙂", "%F0%9F%99%82")]
    [InlineData("\u007f", "%7F")]
    [InlineData("", "")]
    public void StatusText_AnyText_IsEncodedAndComesBack(string text, string encoded)
    {
        Assert.Equal(encoded, StatusText.Encode(text));
        Assert.Equal(text, StatusText.Decode(encoded));
    }

    [Theory]
    [InlineData("50%", "50%")]
    [InlineData("%", "%")]
    [InlineData("%4", "%4")]
    [InlineData("%zz%41", "%zzA")]
    [InlineData("%+1", "%+1")]
    [InlineData("%c3%B6", "ö")]
    public void StatusText_DecodeMalformedEscape_LeavesIt(string encoded, string expected) =>
        Assert.Equal(expected, StatusText.Decode(encoded));

    [Theory]
    [InlineData("x")]
    [InlineData("ö")]
    [InlineData("🙂")]
    public void StatusText_EncodeLongText_IsCutBetweenCharacters(string character)
    {
        var text = string.Concat(Enumerable.Repeat(character, 10_000));
        var encoded = StatusText.Encode(text);
        Assert.InRange(encoded.Length, 4000, 4096);
        Assert.StartsWith(StatusText.Decode(encoded), text, StringComparison.Ordinal);
    }

    [Fact]
    public void StatusText_EncodeHalfASurrogatePair_StaysAscii() =>
        Assert.True(StatusText.Encode("a\uD83D").All(char.IsAscii));

    [Theory]
    [InlineData(new byte[0], "")]
    [InlineData(new byte[] { 1 }, "AQ")]
    [InlineData(new byte[] { 1, 2 }, "AQI")]
    [InlineData(new byte[] { 1, 2, 3 }, "AQID")]
    public void BinaryHeader_AnyBytes_AreEncodedWithoutPaddingAndComeBack(byte[] value, string text)
    {
        Assert.Equal(text, BinaryHeader.Encode(value));
        Assert.True(BinaryHeader.TryDecode(text, out var back));
        Assert.Equal(value, back);
        Assert.True(BinaryHeader.TryDecode(Convert.ToBase64String(value), out back));
        Assert.Equal(value, back);
    }

    [Theory]
    [InlineData("A")]
    [InlineData("AQ=A")]
    [InlineData("ä")]
    [InlineData("!!!!")]
    public void BinaryHeader_NoBase64_IsRefused(string text)
    {
        Assert.False(BinaryHeader.TryDecode(text, out var value));
        Assert.Empty(value);
    }
}
