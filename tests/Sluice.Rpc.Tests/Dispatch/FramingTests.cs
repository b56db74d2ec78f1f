using System.Buffers;
using System.IO.Compression;
using Google.Protobuf;
using Sluice.Protocol.Codec;
using Sluice.Protocol.Inference;
using Sluice.Rpc.Calls;

namespace Sluice.Rpc.Tests;

public sealed class FramingTests
{
    [Fact]
    public async Task Unary_FrameArrivingInTwoPieces_IsAnsweredWhereverItIsCut()
    {
        using var fixture = new DispatcherFixture();
        var frame = DispatcherFixture.Request("yes");
        for (var cut = 0; cut <= frame.Length; cut++)
        {
            var exchange = new FakeExchange(DispatcherFixture.Echo);
            var served = fixture.Serve(exchange);
            await exchange.WriteAsync(frame.AsMemory(0, cut));
            Assert.False(served.IsCompleted);
            await exchange.WriteAsync(frame.AsMemory(cut));
            exchange.EndRequest();
            await served;
            Assert.Equal("0", exchange.Trailers["grpc-status"]);
            Assert.Equal("application/grpc", exchange.Headers["content-type"]);
            Assert.False(exchange.Headers.ContainsKey("grpc-status"));
            var (flag, message) = Assert.Single(await exchange.ReadToEndAsync());
            Assert.Equal(0, flag);
            Assert.True(ModelReadyResponse.Parser.ParseFrom(message).Ready);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public async Task StopReading_WhileAMessageIsWaitedFor_EndsTheStream(int bytesOfAFrame)
    {
        var hasEnded = false;
        using var fixture = new DispatcherFixture(null, new RawMethod("test.Service", "Stream", async call =>
            hasEnded = await call.Reader.ReadAsync(mustLand: true, bulkOffset: null) is null));
        var exchange = new FakeExchange("/test.Service/Stream");
        await exchange.WriteAsync(DispatcherFixture.Request("abc").AsMemory(0, bytesOfAFrame));
        var served = fixture.Serve(exchange);
        Assert.False(served.IsCompleted);
        fixture.Call.StopReading();
        await served;
        Assert.True(hasEnded);
        Assert.Equal("0", exchange.GrpcStatus);
    }

    [Fact]
    public async Task Unary_NoMessage_IsUnimplemented() => await Refused([], "12", "the call ended without a request message");

    [Fact]
    public async Task Unary_TwoMessages_IsUnimplemented()
    {
        byte[] two = [.. DispatcherFixture.Request("a"), .. DispatcherFixture.Request("b")];
        await Refused(two, "12", "the call takes one request message, and more than one came");
    }

    [Fact]
    public async Task Unary_TwoMessagesOfWhichTheFirstIsLanded_IsUnimplemented()
    {
        byte[] two = [.. FakeExchange.Frame(new byte[100]), .. DispatcherFixture.Request("b")];
        await Refused(
            two, "12", "the call takes one request message, and more than one came", new RpcOptions { LandingThresholdBytes = 50 });
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(7)]
    public async Task Unary_BodyEndsWithinTheFrame_IsInvalid(int length) => await Refused(
        DispatcherFixture.Request("abc")[..length], "3",
        $"the stream ended within a message, after {length} bytes of its frame");

    [Fact]
    public async Task Unary_BodyEndsWithinALandedMessage_IsInvalid() => await Refused(
        FakeExchange.Frame(new byte[500])[..300], "3", "the stream ended within a message of 500 bytes",
        new RpcOptions { LandingThresholdBytes = 100 });

    [Fact]
    public async Task Unary_FlagTwo_IsInternal() => await Refused(
        FakeExchange.Frame([], flag: 2), "13", "the message's compression flag is 2; only 0 and 1 are defined");

    [Fact]
    public async Task Unary_LongerThanTheLimit_IsExhaustedBeforeItIsRead() => await Refused(
        FakeExchange.Frame(new byte[101])[..5], "8", "the message of 101 bytes is larger than the limit of 100 bytes",
        new RpcOptions { MaxReceiveMessageBytes = 100 });

    [Fact]
    public async Task Unary_LongerThanAnInt_IsExhausted()
    {
        var prefix = new byte[] { 0, 0xFF, 0xFF, 0xFF, 0xFF };
        await Refused(prefix, "8", "the message of 4294967295 bytes is larger than the limit of 2147483647 bytes");
    }

    [Fact]
    public async Task Unary_NoProtobuf_IsInternal()
    {
        using var fixture = new DispatcherFixture();
        var exchange = await fixture.ServeAsync(DispatcherFixture.Echo, FakeExchange.Frame([0x0A, 0xFF]));
        Assert.Equal("13", exchange.GrpcStatus);
        Assert.StartsWith("the request is no valid message", exchange.GrpcMessage, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    public async Task Unary_CompressedBothWays_IsUnderstood(string encoding)
    {
        using var fixture = new DispatcherFixture(new RpcOptions { ResponseCompression = CompressionLevel.Fastest });
        foreach (var length in new[] { 0, 1, 4096, 300_000 })
        {
            var message = new byte[length];
            new Random(length).NextBytes(message.AsSpan(0, Math.Min(length, 5000)));
            var exchange = new FakeExchange(DispatcherFixture.Raw).With("grpc-encoding", encoding)
                .With("grpc-accept-encoding", $"identity,{encoding}");
            await exchange.WriteAsync(FakeExchange.Frame(Compress(encoding, message), flag: 1));
            exchange.EndRequest();
            await fixture.Serve(exchange);
            Assert.Equal("0", exchange.GrpcStatus);
            Assert.Equal(message, fixture.RawMessage);
            Assert.Equal(encoding, exchange.Headers["grpc-encoding"]);
            var (flag, answer) = Assert.Single(await exchange.ReadToEndAsync());
            Assert.Equal(length == 0 ? 0 : 1, flag);
            Assert.Equal(message, length == 0 ? answer : Decompress(encoding, answer));
        }
    }

    [Fact]
    public async Task Unary_CompressedAndLanded_IsUnderstood()
    {
        using var fixture = new DispatcherFixture(new RpcOptions { LandingThresholdBytes = 64 });
        var message = new byte[1000];
        new Random(1).NextBytes(message);
        var exchange = new FakeExchange(DispatcherFixture.Raw).With("grpc-encoding", "gzip");
        var served = fixture.Serve(exchange);
        foreach (var piece in FakeExchange.Frame(Compress("gzip", message), flag: 1).Chunk(100))
            await exchange.WriteAsync(piece);
        exchange.EndRequest();
        await served;
        Assert.Equal(message, fixture.RawMessage);
    }

    [Theory]
    [InlineData("snappy", "12")]
    [InlineData(null, "13")]
    [InlineData("identity", "13")]
    public async Task Unary_CompressedInAnUnknownWay_IsRefused(string? encoding, string status)
    {
        using var fixture = new DispatcherFixture();
        var exchange = new FakeExchange(DispatcherFixture.Raw).With("grpc-encoding", encoding);
        await exchange.WriteAsync(FakeExchange.Frame([1, 2, 3], flag: 1));
        exchange.EndRequest();
        await fixture.Serve(exchange);
        Assert.Equal(status, exchange.GrpcStatus);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Unary_BrokenCompression_IsInvalid(bool isCut)
    {
        using var fixture = new DispatcherFixture();
        var packed = Compress("gzip", new byte[10_000]);
        var exchange = new FakeExchange(DispatcherFixture.Raw).With("grpc-encoding", "gzip");
        await exchange.WriteAsync(FakeExchange.Frame(isCut ? packed[..(packed.Length / 2)] : [9, .. packed], flag: 1));
        exchange.EndRequest();
        await fixture.Serve(exchange);
        Assert.Equal("3", exchange.GrpcStatus);
    }

    [Theory]
    [InlineData(1_000_000, "0")]
    [InlineData(1_000_001, "8")]
    [InlineData(50_000_000, "8")]
    public async Task Unary_DecompressionBomb_StopsAtTheLimit(int length, string status)
    {
        using var fixture = new DispatcherFixture(new RpcOptions { MaxReceiveMessageBytes = 1_000_000 });
        var exchange = new FakeExchange(DispatcherFixture.Raw).With("grpc-encoding", "gzip");
        await exchange.WriteAsync(FakeExchange.Frame(Compress("gzip", new byte[length]), flag: 1));
        exchange.EndRequest();
        await fixture.Serve(exchange);
        Assert.Equal(status, exchange.GrpcStatus);
        Assert.InRange(fixture.Pool.PooledBytes, 0, 4_000_000);
    }

    [Fact]
    public async Task Unary_LargeMessage_IsLandedWithItsBulkDataAligned()
    {
        using var fixture = new DispatcherFixture { BulkOffset = InferRequestReader.FindBulkOffset };
        foreach (var name in Enumerable.Range(1, 70).Select(length => new string('n', length)))
        {
            var message = new ModelInferRequest
            {
                ModelName = name,
                RawInputContents = { ByteString.CopyFrom(new byte[100_000]) },
            }.ToByteArray();
            var exchange = new FakeExchange(DispatcherFixture.Raw);
            var served = fixture.Serve(exchange);
            foreach (var piece in FakeExchange.Frame(message).Chunk(16_384))
                await exchange.WriteAsync(piece);
            exchange.EndRequest();
            await served;
            Assert.Equal("0", exchange.GrpcStatus);
            Assert.Equal(message, fixture.RawMessage);
            Assert.Equal(0, fixture.BulkAlignment);
        }
    }

    [Theory]
    [InlineData(64, -1)]
    [InlineData(65, 0)]
    public async Task Unary_AroundTheThreshold_OnlyLongerOnesAreLanded(int length, long alignment)
    {
        using var fixture = new DispatcherFixture(new RpcOptions { LandingThresholdBytes = 64 })
        {
            BulkOffset = (in ReadOnlySequence<byte> _) => 3,
        };
        var exchange = await fixture.ServeAsync(DispatcherFixture.Raw, FakeExchange.Frame(new byte[length]));
        Assert.Equal("0", exchange.GrpcStatus);
        Assert.Equal(alignment, fixture.BulkAlignment);
    }

    [Fact]
    public async Task Unary_AnswerTooLarge_IsRefusedAndSaysSo()
    {
        using var fixture = new DispatcherFixture(new RpcOptions { MaxSendMessageBytes = 10 });
        var exchange = await fixture.ServeAsync(DispatcherFixture.Raw, FakeExchange.Frame(new byte[11]));
        Assert.Equal("3", exchange.GrpcStatus);
        Assert.Equal("Response has byte size 11 which exceeds gRPC's byte size limit 10.", exchange.GrpcMessage);
        Assert.Empty(await exchange.ReadToEndAsync());
    }

    private static async Task Refused(byte[] body, string status, string message, RpcOptions? options = null)
    {
        using var fixture = new DispatcherFixture(options);
        var exchange = await fixture.ServeAsync(DispatcherFixture.Echo, body);
        Assert.Equal((status, message), (exchange.Headers.GetValueOrDefault("grpc-status"), exchange.GrpcMessage));
        Assert.Empty(exchange.Trailers);
        Assert.Empty(await exchange.ReadToEndAsync());
    }

    private static byte[] Compress(string encoding, byte[] message)
    {
        using var target = new MemoryStream();
        using (Stream deflater = encoding == "gzip"
            ? new GZipStream(target, CompressionLevel.Optimal)
            : new ZLibStream(target, CompressionLevel.Optimal))
        {
            deflater.Write(message);
        }

        return target.ToArray();
    }

    private static byte[] Decompress(string encoding, byte[] packed)
    {
        using var source = new MemoryStream(packed);
        using Stream inflater = encoding == "gzip"
            ? new GZipStream(source, CompressionMode.Decompress)
            : new ZLibStream(source, CompressionMode.Decompress);
        using var target = new MemoryStream();
        inflater.CopyTo(target);
        return target.ToArray();
    }
}
