using System.Buffers;
using Google.Protobuf;
using Sluice.Protocol.Wire;
using Sluice.Testing;

namespace Sluice.Protocol.Tests;

public sealed class WireReaderTests
{
    public static TheoryData<ulong> Numbers =>
        [0, 1, 127, 128, 300, 16_383, 16_384, uint.MaxValue, 1UL << 35, long.MaxValue, 1UL << 63, ulong.MaxValue];

    [Theory]
    [MemberData(nameof(Numbers))]
    public void Varint_AnySplit_ReadsWhatTheGeneratedCodeWrites(ulong number)
    {
        using var stream = new MemoryStream();
        using (var output = new CodedOutputStream(stream, leaveOpen: true))
            output.WriteUInt64(number);
        var bytes = stream.ToArray();
        foreach (var sequence in SplitBytes.InManyWays(bytes, new Random(1)))
        {
            var reader = new WireReader(in sequence);
            Assert.Equal(number, reader.ReadVarint());
            Assert.Equal(0, reader.Remaining);
            Assert.Equal(bytes.Length, reader.Position);
        }

        var writer = new StingyWriter();
        var wire = new WireWriter(writer);
        wire.WriteVarint(number);
        wire.Flush();
        Assert.Equal(bytes, writer.Written);
        Assert.Equal(bytes.Length, WireWriter.VarintSize(number));
    }

    [Theory]
    [InlineData(new byte[] { 0x80 }, "the message ends within a field")]
    [InlineData(new byte[] { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1 }, "a varint is longer than 10 bytes")]
    public void Varint_Malformed_Throws(byte[] bytes, string expected)
    {
        foreach (var sequence in SplitBytes.InManyWays(bytes, new Random(1)))
        {
            var error = Assert.Throws<WireFormatException>(() => new WireReader(in sequence).ReadVarint());
            Assert.Equal(expected, error.Message);
        }
    }

    [Theory]
    [InlineData(new byte[] { 0x00 })]
    [InlineData(new byte[] { 0x0E })]
    [InlineData(new byte[] { 0x0F })]
    [InlineData(new byte[] { 0x80, 0x80, 0x80, 0x80, 0x10 })]
    public void Tag_FieldZeroOrBadTypeOrTooLarge_Throws(byte[] bytes) =>
        Assert.Throws<WireFormatException>(() => new WireReader(new ReadOnlySequence<byte>(bytes)).TryReadTag(out _, out _));

    [Theory]
    [InlineData(new byte[] { 0x05, 1, 2 })]
    [InlineData(new byte[] { 0xFF, 0xFF, 0xFF, 0xFF, 0x07 })]
    [InlineData(new byte[] { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01 })]
    public void Length_MoreThanIsLeft_Throws(byte[] bytes) =>
        Assert.Throws<WireFormatException>(() => new WireReader(new ReadOnlySequence<byte>(bytes)).ReadLength());

    [Fact]
    public void Enter_InnerMessage_EndsWhereItsLengthSays()
    {
        // Outer: a message of two bytes, then the number 9. The inner message must not read the outer one's bytes.
        byte[] bytes = [2, 0x08, 0x81, 9];
        foreach (var sequence in SplitBytes.InManyWays(bytes, new Random(1)))
        {
            Assert.Throws<WireFormatException>(() => ReadInnerNumber(in sequence));
            var reader = new WireReader(in sequence);
            var outer = reader.Enter();
            Assert.Equal(2, reader.Remaining);
            reader.Leave(outer);
            Assert.Equal(9UL, reader.ReadVarint());
        }
    }

    [Fact]
    public void ReadBytes_WithinOneSegment_BorrowsTheMemory()
    {
        byte[] bytes = [3, 1, 2, 3, 0];
        var reader = new WireReader(new ReadOnlySequence<byte>(bytes));
        var slice = reader.ReadBytes();
        Assert.True(slice.FirstSpan.Overlaps(bytes));
        Assert.Equal([1, 2, 3], slice.ToArray());
        Assert.True(reader.ReadBytes().IsEmpty);
    }

    [Fact]
    public void Skip_EveryTypeAndNestedGroups_EndsBehindThem()
    {
        using var stream = new MemoryStream();
        using (var output = new CodedOutputStream(stream, leaveOpen: true))
        {
            output.WriteTag(1, WireFormat.WireType.Varint);
            output.WriteUInt64(ulong.MaxValue);
            output.WriteTag(2, WireFormat.WireType.Fixed32);
            output.WriteFixed32(1);
            output.WriteTag(3, WireFormat.WireType.Fixed64);
            output.WriteFixed64(1);
            output.WriteTag(4, WireFormat.WireType.LengthDelimited);
            output.WriteString("hello");
            output.WriteTag(5, WireFormat.WireType.StartGroup);
            output.WriteTag(6, WireFormat.WireType.StartGroup);
            output.WriteTag(6, WireFormat.WireType.EndGroup);
            output.WriteTag(5, WireFormat.WireType.EndGroup);
        }

        foreach (var sequence in SplitBytes.InManyWays(stream.ToArray(), new Random(1)))
        {
            var reader = new WireReader(in sequence);
            var fields = new List<int>();
            while (reader.TryReadTag(out var field, out var type))
            {
                fields.Add(field);
                reader.Skip(type);
            }

            Assert.Equal([1, 2, 3, 4, 5], fields);
        }
    }

    [Theory]
    [InlineData(new byte[] { 0x0C })]
    [InlineData(new byte[] { 0x0B, 0x0B, 0x0C })]
    [InlineData(new byte[] { 0x0B })]
    public void Skip_UnbalancedGroup_Throws(byte[] bytes) =>
        Assert.Throws<WireFormatException>(() => SkipAll(new ReadOnlySequence<byte>(bytes)));

    [Fact]
    public void Skip_GroupsNestedWithoutEnd_StopsBeforeTheStackDoes() => Assert.Throws<WireFormatException>(
        () => SkipAll(new ReadOnlySequence<byte>(Enumerable.Repeat((byte)0x0B, 1_000_000).ToArray())));

    private static void SkipAll(ReadOnlySequence<byte> bytes)
    {
        var reader = new WireReader(in bytes);
        while (reader.TryReadTag(out _, out var type))
            reader.Skip(type);
    }

    private static void ReadInnerNumber(in ReadOnlySequence<byte> bytes)
    {
        var reader = new WireReader(in bytes);
        reader.Enter();
        reader.TryReadTag(out _, out _);
        reader.ReadVarint();
    }
}
