using System.Buffers;
using System.Text;
using Sluice.Http2.Hpack;

namespace Sluice.Http2.Tests.Hpack;

/// <summary>RFC 7541, with the examples of its appendix C.</summary>
public sealed class HpackTests
{
    [Theory]
    [InlineData("C.2.1", "400a637573746f6d2d6b65790d637573746f6d2d686561646572", "custom-key: custom-header")]
    [InlineData("C.2.2", "040c2f73616d706c652f70617468", ":path: /sample/path")]
    [InlineData("C.2.3", "100870617373776f726406736563726574", "password: secret")]
    [InlineData("C.2.4", "82", ":method: GET")]
    public void Decode_SingleField_AsInTheAppendix(string id, string hex, string expected)
    {
        Assert.NotEmpty(id);
        Assert.Equal([expected], Decode(new HpackDecoder(4096), hex));
    }

    [Fact]
    public void Decode_RequestsWithoutHuffman_C3() => DecodeThree(
        "828684410f7777772e6578616d706c652e636f6d",
        "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565");

    [Fact]
    public void Decode_RequestsWithHuffman_C4() => DecodeThree(
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        "828684be5886a8eb10649cbf",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf");

    [Fact]
    public void Decode_ResponsesWithEviction_C6()
    {
        var decoder = new HpackDecoder(256);
        Assert.Equal(
            [":status: 302", "cache-control: private", "date: Mon, 21 Oct 2013 20:13:21 GMT", "location: https://www.example.com"],
            Decode(decoder, "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3"));
        Assert.Equal(
            [":status: 307", "cache-control: private", "date: Mon, 21 Oct 2013 20:13:21 GMT", "location: https://www.example.com"],
            Decode(decoder, "4883640effc1c0bf"));
        Assert.Equal(
            [
                ":status: 200", "cache-control: private", "date: Mon, 21 Oct 2013 20:13:22 GMT",
                "location: https://www.example.com", "content-encoding: gzip",
                "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
            ],
            Decode(decoder, "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007"));
    }

    [Theory]
    [InlineData("80", "§6.1: index 0")]
    [InlineData("be", "§2.3.3: an index beyond the table")]
    [InlineData("ffffffffff7f", "§5.1: an integer that is too large")]
    [InlineData("7f", "§5.1: an integer cut off")]
    [InlineData("400a6375", "§5.2: a string cut off")]
    [InlineData("3fe21f", "§6.3: a table above the limit")]
    [InlineData("8220", "§4.2: a table size update behind a field")]
    [InlineData("0081ff0100", "§5.2: padding of eight bits")]
    [InlineData("00811800", "§5.2: padding of zeros")]
    [InlineData("0084ffffffff00", "§5.2: the end of string symbol")]
    public void Decode_BrokenBlock_IsRefused(string hex, string rule)
    {
        Assert.NotEmpty(rule);
        Assert.Throws<HpackException>(() => Decode(new HpackDecoder(4096), hex));
    }

    [Fact]
    public void Decode_TableSizeZero_EvictsAll()
    {
        var decoder = new HpackDecoder(4096);
        Decode(decoder, "400a637573746f6d2d6b65790d637573746f6d2d686561646572");
        Assert.Equal(["custom-key: custom-header"], Decode(decoder, "be"));
        Decode(decoder, "20");
        Assert.Throws<HpackException>(() => Decode(decoder, "be"));
    }

    [Fact]
    public void Decode_FieldLargerThanTheTable_EmptiesIt()
    {
        var decoder = new HpackDecoder(64);
        Decode(decoder, "4001610162");
        Decode(decoder, "400161" + "7f01" + string.Concat(Enumerable.Repeat("62", 128)));
        Assert.Throws<HpackException>(() => Decode(decoder, "be"));
    }

    [Fact]
    public void Huffman_EveryByte_RoundTrips()
    {
        var random = new Random(7);
        for (var round = 0; round < 2000; round++)
        {
            var text = new byte[random.Next(0, 60)];
            random.NextBytes(text);
            var encoded = HuffmanEncode(text);
            var decoded = new char[Huffman.MaxDecodedLength(encoded.Length)];
            var length = Huffman.Decode(encoded, decoded);
            Assert.Equal(Encoding.Latin1.GetString(text), new string(decoded, 0, length));
        }
    }

    [Fact]
    public void Decode_ListAboveTheLimit_IsKnownAndTheTableStaysRight()
    {
        var decoder = new HpackDecoder(4096);
        var headers = new HeaderList(40);
        decoder.Decode(Convert.FromHexString("400a637573746f6d2d6b65790d637573746f6d2d686561646572"), headers);
        Assert.True(headers.IsTooLarge);
        Assert.Empty(headers.Fields);
        Assert.Equal(["custom-key: custom-header"], Decode(decoder, "be"));
    }

    [Fact]
    public void Encode_StatusAndFields_DecodeToTheSame()
    {
        var output = new ArrayBufferWriter<byte>();
        HpackEncoder.WriteStatus(output, 200);
        HpackEncoder.WriteStatus(output, 415);
        HpackEncoder.WriteField(output, "grpc-message", new string('x', 300));
        var headers = new HeaderList(int.MaxValue);
        new HpackDecoder(4096).Decode(output.WrittenSpan, headers);
        Assert.Equal(
            [new(":status", "200"), new(":status", "415"), new("grpc-message", new string('x', 300))], headers.Fields);
        headers = new HeaderList(int.MaxValue);
        new HpackDecoder(4096).Decode(HpackEncoder.GrpcResponse, headers);
        new HpackDecoder(4096).Decode(HpackEncoder.GrpcOk, headers);
        Assert.Equal([new(":status", "200"), new("content-type", "application/grpc"), new("grpc-status", "0")], headers.Fields);
    }

    [Fact]
    public void Cache_SameBytes_AreTheSameListUntilTheTableChanges()
    {
        var cache = new HeaderBlockCache();
        var list = new HeaderList(100);
        cache.Add([1, 2, 3], 5, list);
        Assert.Same(list, cache.Find([1, 2, 3], 5));
        Assert.Null(cache.Find([1, 2, 3], 6));
        Assert.Null(cache.Find([1, 2], 5));
        for (var i = 0; i < 8; i++)
            cache.Add([9, (byte)i], 5, list);
        Assert.Null(cache.Find([1, 2, 3], 5));
    }

    private static void DecodeThree(string first, string second, string third)
    {
        var decoder = new HpackDecoder(4096);
        string[] common = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
        Assert.Equal(common, Decode(decoder, first));
        Assert.Equal([.. common, "cache-control: no-cache"], Decode(decoder, second));
        Assert.Equal(
            [":method: GET", ":scheme: https", ":path: /index.html", ":authority: www.example.com", "custom-key: custom-value"],
            Decode(decoder, third));
    }

    private static string[] Decode(HpackDecoder decoder, string hex)
    {
        var headers = new HeaderList(int.MaxValue);
        decoder.Decode(Convert.FromHexString(hex), headers);
        return [.. headers.Fields.Select(field => $"{field.Name}: {field.Value}")];
    }

    private static byte[] HuffmanEncode(byte[] text)
    {
        // The canonical code by its definition, apart from the decoder's tables.
        var lengths = Huffman.Lengths.ToArray();
        var codes = new uint[257];
        uint code = 0;
        var previous = 0;
        foreach (var symbol in Enumerable.Range(0, 257).OrderBy(s => lengths[s]).ThenBy(s => s))
        {
            code <<= lengths[symbol] - previous;
            previous = lengths[symbol];
            codes[symbol] = code++;
        }

        var bits = new StringBuilder();
        foreach (var b in text)
            bits.Append(Convert.ToString(codes[b], 2).PadLeft(lengths[b], '0'));
        while (bits.Length % 8 != 0)
            bits.Append('1');
        return [.. Enumerable.Range(0, bits.Length / 8).Select(i => Convert.ToByte(bits.ToString(i * 8, 8), 2))];
    }
}
