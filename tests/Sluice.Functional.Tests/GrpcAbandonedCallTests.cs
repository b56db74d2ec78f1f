using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Protocol.Codec;
using static Sluice.Functional.Tests.Infrastructure.SampleRequests;

namespace Sluice.Functional.Tests;

/// <summary>Calls and streams that clients cancel, reset or leave in every state: nothing of them may stay.</summary>
/// <remarks>20,000 of them; SLUICE_ABANDONED_CALLS asks for another number, such as 100,000. It counts the sockets of the process, so nothing
/// runs beside it.</remarks>
[Collection(MeasuringGroup.Name)]
public sealed class GrpcAbandonedCallTests(ServerFixture server)
{
    private const int Workers = 16;
    private const int MostBuffersLeft = 256;

    private static int Count => int.TryParse(
        Environment.GetEnvironmentVariable("SLUICE_ABANDONED_CALLS"), CultureInfo.InvariantCulture, out var count) ? count : 20_000;

    [Fact]
    public async Task CallsAndStreams_AbandonedInEveryState_LeaveNothing()
    {
        var (buffers, bytes, sockets) = (server.Host.Pool.RentedCount, server.Host.Pool.RentedBytes, OpenSockets());
        using (var client = new SluiceClient(server.GrpcAddress))
        {
            var next = -1;
            await Task.WhenAll(Enumerable.Range(0, Workers).Select(async _ =>
            {
                for (int i; (i = Interlocked.Increment(ref next)) < Count;)
                    await EndsAsync(AbandonAsync(client, i), i);
            }));
            await Eventually.TrueAsync(() => server.Host.ActiveCount == 0, () => $"{server.Host.ActiveCount} calls are still served");
            using var answer = await client.InferAsync(Floats("wide", "after", [1], 1));
            Assert.Equal(1, answer.OutputCount);
            await using var stream = client.OpenInferStream();
            await stream.WriteAsync(Repeat("after", [1]));
            Assert.Equal("after:1", await NextAsync(stream));
        }

        // A model keeps the input memory of batches that were under way at once, so some buffers come to stay.
        await Eventually.TrueAsync(
            () => server.Host.Pool.RentedCount <= buffers + MostBuffersLeft,
            () => $"{server.Host.Pool.RentedCount} buffers of {server.Host.Pool.RentedBytes} bytes are rented, {buffers} of {bytes} were");
        await Eventually.TrueAsync(() => OpenSockets() <= sockets, () => $"{OpenSockets()} sockets are open, {sockets} were");
        server.ExpectNoErrors();
    }

    private static async Task EndsAsync(Task task, int number)
    {
        try
        {
            await task.WaitAsync(ServerFixture.Patience * 2);
        }
        catch (TimeoutException error)
        {
            throw new TimeoutException($"number {number} of kind {number % 8} does not end", error);
        }
    }

    private static int OpenSockets() => new DirectoryInfo("/proc/self/fd").GetFiles()
        .Count(file => file.LinkTarget?.StartsWith("socket:", StringComparison.Ordinal) == true);

    private Task AbandonAsync(SluiceClient client, int number) => (number % 8) switch
    {
        0 => CancelUnaryAsync(client, number),
        1 => LeaveStreamAsync(client, [], 0),
        2 => LeaveStreamAsync(client, [Repeat("a", [1, 2], [0, Forever])], 0),
        3 => LeaveStreamAsync(client, [Repeat("a", [1, 2], [0, Forever]), Square("b", 3)], 2),
        4 => LeaveStreamAsync(client, [Square("b", 1_000_000)], 3),
        5 => LeaveStreamAsync(client, [Floats("wide", "w", new float[1000], 1000), Repeat("a", [1], [Forever])], 1),
        6 => TimeOutStreamAsync(client),
        _ => number % 64 == 7 ? LeaveHttpAsync() : LeaveStreamAsync(client, [Square("b", 3), Square("c", 3)], 6),
    };

    private static async Task CancelUnaryAsync(SluiceClient client, int number)
    {
        using var stop = new CancellationTokenSource();
        var running = client.InferAsync(Floats("wide", "u", new float[1000], 1000), cancellationToken: stop.Token);
        if (number % 16 == 0)
            await Task.Yield();
        await stop.CancelAsync();
        try
        {
            (await running).Dispose();
        }
        catch (OperationCanceledException)
        {
            // It was not faster.
        }
    }

    private static async Task LeaveStreamAsync(SluiceClient client, InferRequestMessage[] requests, int answers)
    {
        await using var stream = client.OpenInferStream(new CallOptions { Timeout = ServerFixture.Patience });
        foreach (var request in requests)
            await stream.WriteAsync(request);
        await NextAsync(stream, answers);
    }

    private static async Task TimeOutStreamAsync(SluiceClient client)
    {
        await using var stream = client.OpenInferStream(new CallOptions { Timeout = TimeSpan.FromMilliseconds(5) });
        try
        {
            await stream.WriteAsync(Repeat("a", [1, 2], [0, Forever]));
            await NextAsync(stream, 2);
        }
        catch (SluiceException)
        {
            // The deadline, here or there.
        }
    }

    private async Task LeaveHttpAsync()
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { LingerState = new LingerOption(true, 0) };
        await socket.ConnectAsync(IPAddress.Loopback, server.Host.HttpAddress!.Port);
        var body = $$"""{"IN":[1,2],"DELAY":[0,{{Forever}}]}""";
        await socket.SendAsync(Encoding.ASCII.GetBytes(
            $"POST /v2/models/repeat_int32/generate_stream HTTP/1.1\r\nHost: x\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
        await socket.ReceiveAsync(new byte[16]).WaitAsync(ServerFixture.Patience);
    }
}
