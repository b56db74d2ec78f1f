using System.Net;
using System.Net.Sockets;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Protocol.Codec;

namespace Sluice.Functional.Tests;

/// <summary>Bytes that are no proper call: the right status each time, nothing kept, nobody else disturbed.</summary>
[Collection(ServerGroup.Name)]
public sealed class GrpcBadBytesTests(ServerFixture server) : IDisposable
{
    private const string InvalidArgument = "3";
    private const string ResourceExhausted = "8";
    private const string Unimplemented = "12";
    private const string Internal = "13";

    private static readonly InferRequestMessage Good = new()
    {
        ModelName = "add_sub_int32",
        Inputs = [InferInput.Create<int>("INPUT0", new int[16], 1, 16), InferInput.Create<int>("INPUT1", new int[16], 1, 16)],
    };

    private static readonly byte[] GoodMessage = RawCaller.Message(Good);

    /// <summary>Body, expected status.</summary>
    private static readonly Dictionary<string, (byte[] Body, string Status)> Bodies = new()
    {
        ["no message"] = ([], Unimplemented),
        ["a frame cut off in its head"] = ([0, 0, 0], InvalidArgument),
        ["a frame cut off in its message"] = (RawCaller.Frame(GoodMessage)[..^1], InvalidArgument),
        ["a length that is too long"] = (RawCaller.Frame(GoodMessage, claimedLength: 1 << 20), InvalidArgument),
        ["a length of 2 GiB with little behind it"] = (RawCaller.Frame(GoodMessage, claimedLength: int.MaxValue), InvalidArgument),
        ["a length of 4 GiB"] = (RawCaller.Frame(GoodMessage, claimedLength: uint.MaxValue), ResourceExhausted),
        ["a length that is too short"] =
            (RawCaller.Frame(GoodMessage, claimedLength: (uint)GoodMessage.Length - 1), Unimplemented),
        ["two messages"] = ([.. RawCaller.Frame(GoodMessage), .. RawCaller.Frame(GoodMessage)], Unimplemented),
        ["compression flag 2"] = (RawCaller.Frame(GoodMessage, flag: 2), Internal),
        ["compressed without an encoding"] = (RawCaller.Frame(GoodMessage, flag: 1), Internal),
        ["a message of noise"] = (RawCaller.Frame([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]), Internal),
        ["a field longer than the message"] = (RawCaller.Frame([0x0A, 0x7F, (byte)'a']), Internal),
    };

    private readonly RawCaller _raw = new(server.GrpcAddress);

    public static TheoryData<string> BodyNames() => [.. Bodies.Keys];

    public void Dispose()
    {
        _raw.Dispose();
        server.ExpectNoErrors();
    }

    [Theory]
    [MemberData(nameof(BodyNames))]
    public Task Infer_BadBody_HasItsStatusAndLeaksNothing(string name) => server.ExpectNoLeakAsync(async () =>
    {
        var answer = await _raw.SendAsync(RawCaller.InferPath, new ByteArrayContent(Bodies[name].Body));
        Assert.Equal(200, answer.HttpStatus);
        Assert.Equal(Bodies[name].Status, answer.GrpcStatus);
        Assert.NotEmpty(answer.GrpcMessage);
        Assert.Empty(answer.Body);
        await ExpectOthersGoOnAsync();
    });

    [Fact]
    public Task Stream_CutOffFrame_EndsTheStreamAfterTheGoodAnswer() => server.ExpectNoLeakAsync(async () =>
    {
        byte[] body = [.. RawCaller.Frame(GoodMessage), .. RawCaller.Frame(GoodMessage)[..^1]];
        var answer = await _raw.SendAsync(RawCaller.StreamPath, new ByteArrayContent(body));
        Assert.Equal(InvalidArgument, answer.GrpcStatus);
        Assert.NotEmpty(answer.Body);
    });

    [Theory]
    [InlineData("text/plain", 415)]
    [InlineData("application/grpcweb", 415)]
    [InlineData("", 415)]
    [InlineData("application/grpc+proto", 200)]
    [InlineData("application/grpc;charset=utf-8", 200)]
    public async Task Infer_ContentType_DecidesOverHttp(string contentType, int status)
    {
        var answer = await _raw.SendAsync(
            RawCaller.InferPath, new ByteArrayContent(RawCaller.Frame(GoodMessage)), contentType: contentType);
        Assert.Equal(status, answer.HttpStatus);
        Assert.Equal(status == 200 ? "0" : null, answer.GrpcStatus);
    }

    [Fact]
    public async Task Get_IsNotAllowed()
    {
        var answer = await _raw.SendAsync(RawCaller.InferPath, null, HttpMethod.Get);
        Assert.Equal(405, answer.HttpStatus);
    }

    [Theory]
    [InlineData("/inference.GRPCInferenceService/NoSuchMethod")]
    [InlineData("/no.such.Service/ModelInfer")]
    [InlineData("/")]
    [InlineData("/inference.GRPCInferenceService/modelinfer")]
    public async Task Call_OfUnknownPath_IsUnimplemented(string path)
    {
        var answer = await _raw.SendAsync(path, new ByteArrayContent(RawCaller.Frame(GoodMessage)));
        Assert.Equal(200, answer.HttpStatus);
        Assert.Equal(Unimplemented, answer.GrpcStatus);
    }

    [Fact]
    public async Task SlowSender_ByteByByte_IsServedWhileOthersAre()
    {
        using var content = new HandFedContent();
        var answering = _raw.SendAsync(RawCaller.InferPath, content);
        foreach (var octet in RawCaller.Frame(GoodMessage))
            await content.WriteAsync(new[] { octet });
        await ExpectOthersGoOnAsync();
        Assert.False(answering.IsCompleted);
        content.Complete();
        var answer = await answering.WaitAsync(ServerFixture.Patience);
        Assert.Equal("0", answer.GrpcStatus);
    }

    [Theory]
    [InlineData(RawCaller.InferPath)]
    [InlineData(RawCaller.StreamPath)]
    public Task Disconnect_WithinALargeMessage_FreesItsBuffer(string path) => server.ExpectNoLeakAsync(async () =>
    {
        var request = new InferRequestMessage
        {
            ModelName = "wide",
            Inputs = [InferInput.Wrap<float>("INPUT0", new float[1 << 20], 1 << 20)],
        };
        using var stop = new CancellationTokenSource();
        using var content = new HandFedContent();
        var answering = _raw.SendAsync(path, content, cancellationToken: stop.Token);
        await content.WriteAsync(RawCaller.Frame(RawCaller.Message(request)).AsMemory(0, 1 << 19));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => answering);
        await ExpectOthersGoOnAsync();
    });

    [Fact]
    public async Task Connection_OfNoise_IsClosedAndOthersGoOn()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, server.GrpcAddress.Port));
        await socket.SendAsync("GET / HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray());
        using var limit = new CancellationTokenSource(ServerFixture.Patience);
        var received = new byte[4096];
        while (await ReceiveAsync(socket, received, limit.Token) > 0)
        {
        }

        await ExpectOthersGoOnAsync();
    }

    private static async Task<int> ReceiveAsync(Socket socket, byte[] buffer, CancellationToken cancellationToken)
    {
        try
        {
            return await socket.ReceiveAsync(buffer, cancellationToken);
        }
        catch (SocketException)
        {
            return 0;
        }
    }

    private async Task ExpectOthersGoOnAsync()
    {
        using var client = new SluiceClient(server.GrpcAddress);
        using var result = await client.InferAsync(Good, new CallOptions { Timeout = ServerFixture.Patience });
        Assert.Equal(2, result.OutputCount);
    }
}
