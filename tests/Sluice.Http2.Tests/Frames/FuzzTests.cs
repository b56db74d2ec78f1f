using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Http2.Connection;
using Sluice.Rpc;
using Sluice.Rpc.Calls;
using Sluice.Rpc.Dispatch;
using Sluice.Tensors;

namespace Sluice.Http2.Tests.Frames;

/// <summary>Broken bytes, without a socket: the connection ends or serves on, throws nothing and keeps nothing.</summary>
/// <remarks>Seeded; <c>SLUICE_FUZZ_SECONDS</c> makes it run that long with new seeds.</remarks>
public sealed class FuzzTests
{
    [Fact]
    public void MutatedConnections_NeverThrowAndLeaveNothing()
    {
        var seconds = double.Parse(Environment.GetEnvironmentVariable("SLUICE_FUZZ_SECONDS") ?? "0", CultureInfo.InvariantCulture);
        var clock = Stopwatch.StartNew();

        // As on a loop: a test framework's context would move continuations to other threads.
        SynchronizationContext.SetSynchronizationContext(null);
        for (var seed = 1; seed <= 3000 || clock.Elapsed.TotalSeconds < seconds; seed++)
            Run(seed);
    }

    private static void Run(int seed)
    {
        var random = new Random(seed);
        using var pool = new TensorBufferPool(new TensorBufferPoolOptions());
        using var memory = new TensorBufferPool(new TensorBufferPoolOptions());
        var methods = new MethodTable([new RawMethod("t.S", "Echo", EchoAsync), new RawMethod("t.S", "Stream", EchoAllAsync)]);
        var dispatcher = new RpcDispatcher(
            methods, new RpcOptions { LandingThresholdBytes = 1000, MaxReceiveMessageBytes = 1 << 20 }, pool,
            NullLogger<RpcDispatcher>.Instance);
        var owner = new Owner();
        var connection = new Http2Connection(
            owner, dispatcher, new Http2Limits { MaxStreams = 8 }, memory, new Http2Counters(), TimeProvider.System,
            NullLogger.Instance);
        owner.Begin();
        Feed(connection, owner, Mutate(Conversation(random), random), random);
        connection.Lost();
        if (owner.IsReceiving)
        {
            owner.IsReceiving = false;
            connection.Received(0);
            connection.Lost();
        }

        // A call whose message says that it is compressed ends on the pool.
        SpinWait.SpinUntil(
            () =>
            {
                connection.Turn();
                return !owner.TakeRequest() && dispatcher.ActiveCount == 0 && memory.RentedCount == 0;
            },
            TimeSpan.FromSeconds(10));
        owner.End();
        Assert.True(dispatcher.ActiveCount == 0, $"seed {seed}: a call is left");
        Assert.True(pool.RentedCount == 0, $"seed {seed}: {pool.RentedCount} messages are left");
        Assert.True(memory.RentedCount == 0, $"seed {seed}: {memory.RentedCount} transport buffers are left");
    }

    /// <summary>Gives the bytes in pieces of random size and takes answers as a socket would.</summary>
    private static void Feed(Http2Connection connection, Owner owner, byte[] bytes, Random random)
    {
        for (var position = 0; position < bytes.Length && !connection.IsFinished;)
        {
            var canLand = random.Next(2) == 0;
            if (!connection.TryGetTargets(canLand, out var landing, out var buffer))
                break;
            owner.IsReceiving = !canLand;

            // The bytes come while the connection goes on.
            if (!canLand && random.Next(2) == 0)
                connection.Turn();
            if (!canLand && random.Next(500) == 0)
                return;
            owner.IsReceiving = false;
            var count = Math.Min(random.Next(1, 3000), Math.Min(bytes.Length - position, landing.Length + buffer.Length));
            var first = Math.Min(count, landing.Length);
            bytes.AsMemory(position, first).CopyTo(landing);
            bytes.AsMemory(position + first, count - first).CopyTo(buffer);
            position += count;
            connection.Received(count);
            connection.Turn();
            if (random.Next(4) > 0 && !connection.Output.IsEmpty)
                connection.Sent(random.NextInt64(1, connection.Output.Length + 1));
            if (random.Next(50) == 0)
                connection.Tick();
        }

        connection.Turn();
    }

    /// <summary>A few calls, mostly right.</summary>
    private static byte[] Conversation(Random random)
    {
        using var bytes = new MemoryStream();
        bytes.Write(FrameClient.Preface);
        bytes.Write(FrameClient.Encode(FrameType.Settings, FrameFlags.None, 0, [0, 4, 0, (byte)random.Next(256), 0, 0]));
        var id = 1;
        for (var frames = random.Next(1, 30); frames > 0; frames--)
        {
            var stream = Math.Max(1, id - (2 * random.Next(0, 3)));
            bytes.Write(random.Next(12) switch
            {
                0 => FrameClient.Encode(FrameType.Ping, FrameFlags.None, 0, new byte[8]),
                1 => FrameClient.Encode(FrameType.WindowUpdate, FrameFlags.None, random.Next(2) * stream, [0, 1, 0, 0]),
                2 => FrameClient.Encode(FrameType.RstStream, FrameFlags.None, stream, [0, 0, 0, 8]),
                3 => FrameClient.Encode((FrameType)random.Next(256), (FrameFlags)random.Next(256), random.Next(5), new byte[random.Next(50)]),
                4 => FrameClient.Encode(FrameType.Settings, FrameFlags.None, 0, [0, (byte)random.Next(7), 0, 0, (byte)random.Next(256), 0]),
                < 9 => Call(id += 2, random),
                _ => Data(stream, random),
            });
        }

        return bytes.ToArray();
    }

    private static byte[] Call(int id, Random random)
    {
        var block = FrameClient.Request(random.Next(3) == 0 ? TestServer.Stream : TestServer.Echo);
        var cut = random.Next(block.Length);
        byte[] head = random.Next(4) == 0
            ?
            [
                .. FrameClient.Encode(FrameType.Headers, FrameFlags.None, id, block.AsSpan(0, cut)),
                .. FrameClient.Encode(FrameType.Continuation, FrameFlags.EndHeaders, id, block.AsSpan(cut)),
            ]
            : FrameClient.Encode(FrameType.Headers, FrameFlags.EndHeaders, id, block);
        return [.. head, .. Data(id, random)];
    }

    private static byte[] Data(int id, Random random)
    {
        var message = FrameClient.Message(new byte[random.Next(5) == 0 ? random.Next(9000) : random.Next(100)]);
        var flags = random.Next(3) == 0 ? FrameFlags.None : FrameFlags.EndStream;
        return random.Next(5) == 0
            ? FrameClient.Encode(FrameType.Data, flags | FrameFlags.Padded, id, [3, .. message, 0, 0, 0])
            : FrameClient.Encode(FrameType.Data, flags, id, message);
    }

    private static byte[] Mutate(byte[] bytes, Random random)
    {
        for (var changes = random.Next(6); changes > 0; changes--)
        {
            var at = random.Next(24, bytes.Length);
            switch (random.Next(4))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2:
                    bytes = [.. bytes[..at], .. bytes[Math.Min(bytes.Length, at + random.Next(20))..]];
                    break;
                default:
                    bytes = [.. bytes[..at], (byte)random.Next(256), .. bytes[at..]];
                    break;
            }

            if (bytes.Length <= 24)
                break;
        }

        return bytes;
    }

    private static async ValueTask EchoAsync(RpcCall call)
    {
        using var lease = await call.Reader.ReadSingleAsync(null).ConfigureAwait(false);
        Write(call, System.Buffers.BuffersExtensions.ToArray(lease.Payload));
    }

    private static async ValueTask EchoAllAsync(RpcCall call)
    {
        while (await call.Reader.ReadAsync(mustLand: true, null).ConfigureAwait(false) is { } lease)
        {
            using (lease)
                Write(call, System.Buffers.BuffersExtensions.ToArray(lease.Payload));
            if (!await call.FlushAsync().ConfigureAwait(false))
                throw new OperationCanceledException();
        }
    }

    private static void Write(RpcCall call, byte[] message) => call.Write(
        message, message.Length, static (output, bytes) => System.Buffers.BuffersExtensions.Write(output, bytes));

    /// <summary>An owner without a socket; all turns are the test's.</summary>
    private sealed class Owner : IConnectionOwner
    {
        private bool _isRequested;
        private Thread? _thread;

        public bool IsInTurn => Thread.CurrentThread == _thread;

        public void Begin() => _thread = Thread.CurrentThread;

        public void End() => _thread = null;

        /// <summary>Bytes of the connection are under way.</summary>
        public bool IsReceiving { get; set; }

        public void RequestTurn() => _isRequested = true;

        public bool TryPostponeLoss() => IsReceiving;

        public bool TakeRequest()
        {
            var was = _isRequested;
            _isRequested = false;
            return was;
        }
    }
}
