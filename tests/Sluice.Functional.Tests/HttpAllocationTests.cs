using System.Net;
using System.Net.Sockets;
using System.Text;
using Sluice.Functional.Tests.Infrastructure;
using Xunit.Abstractions;

namespace Sluice.Functional.Tests;

[Collection(MeasuringGroup.Name)]
public sealed class HttpAllocationTests(ServerFixture server, ITestOutputHelper output)
{
    private const int Count = 2000;

    // What is left is one task per request that does not end at once, and Kestrel's strings for a header that it does not
    // know: measured 280 bytes for JSON, 420 for binary.
    private const long Ceiling = 800;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Infer_InSteadyState_AllocatesLittle(bool isBinary)
    {
        var request = Request(isBinary);
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, server.Host.HttpAddress!.Port);
        var answer = new byte[4096];
        var length = Exchange(socket, request, answer, 0);
        Assert.StartsWith("HTTP/1.1 200", Encoding.ASCII.GetString(answer, 0, length));
        for (var i = 0; i < Count; i++)
            Exchange(socket, request, answer, length);

        var least = long.MaxValue;
        for (var round = 0; round < 5; round++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            for (var i = 0; i < Count; i++)
                Exchange(socket, request, answer, length);
            least = Math.Min(least, (GC.GetTotalAllocatedBytes(precise: true) - before) / Count);
        }

        output.WriteLine($"{least} bytes per request");
        Assert.InRange(least, 0, Ceiling);
    }

    /// <summary>Sends and receives without allocating; the first time the length is not known yet.</summary>
    private static int Exchange(Socket socket, byte[] request, byte[] answer, int length)
    {
        socket.Send(request);
        var received = 0;
        do
            received += socket.Receive(answer.AsSpan(received));
        while (received < length);
        return received;
    }

    private static byte[] Request(bool isBinary)
    {
        var values = string.Join(',', Enumerable.Range(0, 16));
        var data = isBinary ? "\"parameters\":{\"binary_data_size\":64}" : $"\"data\":[{values}]";
        var inputs = string.Join(',', new[] { "INPUT0", "INPUT1" }.Select(name =>
            $"{{\"name\":\"{name}\",\"shape\":[1,16],\"datatype\":\"INT32\",{data}}}"));
        var json = $"{{\"parameters\":{{\"binary_data_output\":{(isBinary ? "true" : "false")}}},\"inputs\":[{inputs}]}}";
        var binary = new byte[isBinary ? 128 : 0];
        var head = "POST /v2/models/add_sub_int32/infer HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n" +
            (isBinary ? $"Inference-Header-Content-Length: {json.Length}\r\n" : "") +
            $"Content-Length: {json.Length + binary.Length}\r\n\r\n";
        return [.. Encoding.ASCII.GetBytes(head + json), .. binary];
    }
}
