using System.Buffers;
using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Rpc;
using Sluice.Rpc.Calls;
using Sluice.Rpc.Dispatch;
using Sluice.Rpc.Kestrel;
using Sluice.Rpc.Transport;
using Sluice.Tensors;

namespace Sluice.Http2.Tests;

/// <summary>What serves; a case that fails on all is suspected of being wrong itself.</summary>
public enum Transport
{
    Native,
    Sockets,
    Kestrel,
}

/// <summary>A gRPC server with a few raw methods on a free port.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    public const string Echo = "/t.S/Echo";
    public const string Stream = "/t.S/Stream";
    public const string Wait = "/t.S/Wait";
    public const string Large = "/t.S/Large";
    public const string Lent = "/t.S/Lent";
    public const string Last = "/t.S/Last";
    public const string Held = "/t.S/Held";
    public const string Silent = "/t.S/Silent";

    private readonly IRpcServer _server;
    private readonly RpcDispatcher _dispatcher;
    private int _cancelledCount;

    private TestServer(Transport transport, Http2Limits limits, int loops, TlsOptions? tls)
    {
        Pool = new TensorBufferPool(new TensorBufferPoolOptions { Debug = true });
        var methods = new MethodTable(
        [
            new RawMethod("t.S", "Echo", EchoAsync), new RawMethod("t.S", "Stream", EchoAllAsync),
            new RawMethod("t.S", "Wait", WaitAsync), new RawMethod("t.S", "Large", LargeAsync),
            new RawMethod("t.S", "Lent", call => LentAsync(call, isLast: false)), new RawMethod("t.S", "Silent", ReadAllAsync),
            new RawMethod("t.S", "Last", call => LentAsync(call, isLast: true)), new RawMethod("t.S", "Held", HeldAsync),
        ]);
        _dispatcher = new RpcDispatcher(methods, new RpcOptions(), Pool, NullLogger<RpcDispatcher>.Instance);
        _server = Create(transport, limits, loops, tls, _dispatcher);
        Native = _server as Http2RpcServer;
    }

    public Http2RpcServer? Native { get; }

    public TensorBufferPool Pool { get; }

    public int Port => _server.Addresses[0].Port;

    public long ActiveCount => _dispatcher.ActiveCount;

    /// <summary>Calls of <see cref="Wait"/> whose client went away.</summary>
    public int CancelledCount => Volatile.Read(ref _cancelledCount);

    /// <summary>Releases calls of <see cref="Wait"/> and <see cref="Held"/>.</summary>
    public TaskCompletionSource Release { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public static async Task<TestServer> StartAsync(Transport transport, Http2Limits? limits = null, int loops = 2, TlsOptions? tls = null)
    {
        var server = new TestServer(transport, limits ?? new Http2Limits(), loops, tls);
        await server._server.StartAsync(CancellationToken.None);
        return server;
    }

    public Task StopAsync(CancellationToken limit) => _server.StopAsync(limit);

    private static IRpcServer Create(Transport transport, Http2Limits limits, int loops, TlsOptions? tls, RpcDispatcher dispatcher)
    {
        var endPoint = new IPEndPoint(IPAddress.Loopback, 0);
        if (transport != Transport.Kestrel)
        {
            var native = new Http2ServerOptions { EndPoint = endPoint, Limits = limits, LoopCount = loops, UsesSockets = transport == Transport.Sockets, Tls = tls };
            return new Http2RpcServer(native, dispatcher, NullLoggerFactory.Instance, TimeProvider.System);
        }

        var kestrel = new RpcListenOptions
        {
            EndPoint = endPoint,
            MaxStreamsPerConnection = limits.MaxStreams,
            StreamWindowBytes = limits.StreamWindowBytes,
            ConnectionWindowBytes = limits.ConnectionWindowBytes,
        };
        return new KestrelRpcServer(kestrel, dispatcher, NullLoggerFactory.Instance);
    }

    /// <summary>Waits for something that happens soon.</summary>
    public static async Task Until(Func<bool> condition, string what)
    {
        for (var i = 0; i < 3000; i++)
        {
            if (condition())
                return;
            await Task.Delay(10);
        }

        Assert.Fail($"waited in vain: {what}");
    }

    /// <summary>Ends the server; whatever was rented must have come back.</summary>
    public async ValueTask DisposeAsync()
    {
        Release.TrySetResult();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await _server.StopAsync(limit.Token);
        await Until(() => ActiveCount == 0, "calls end");
        await Until(() => Pool.RentedCount == 0, $"{Pool.RentedCount} message buffers come back");
        if (Native is not null)
        {
            Assert.Equal(0, Native.Connections.Open);
            await Until(() => Native.Memory.RentedCount == 0, $"{Native.Memory.RentedCount} transport buffers come back");
        }

        await _server.DisposeAsync();
        Pool.Dispose();
    }

    private static async ValueTask EchoAsync(RpcCall call)
    {
        using var lease = await call.Reader.ReadSingleAsync(null);
        Write(call, lease.Payload.ToArray());
    }

    private static async ValueTask EchoAllAsync(RpcCall call)
    {
        while (await call.Reader.ReadAsync(mustLand: true, null) is { } lease)
        {
            using (lease)
                Write(call, lease.Payload.ToArray());
            if (!await call.FlushAsync())
                throw new OperationCanceledException();
        }
    }

    private static async ValueTask ReadAllAsync(RpcCall call)
    {
        while (await call.Reader.ReadAsync(mustLand: true, null) is { } lease)
            lease.Dispose();
    }

    private async ValueTask WaitAsync(RpcCall call)
    {
        var token = call.CancellationToken;
        try
        {
            await Release.Task.WaitAsync(token);
        }
        catch (OperationCanceledException)
        {
            Interlocked.Increment(ref _cancelledCount);
            throw;
        }

        Write(call, "waited"u8.ToArray());
    }

    /// <summary>Answers as many bytes as the request's number says, copied.</summary>
    private static async ValueTask LargeAsync(RpcCall call)
    {
        int length;
        using (var lease = await call.Reader.ReadSingleAsync(null))
            length = BitConverter.ToInt32(lease.Payload.ToArray());
        call.WritePrefix(length);
        for (var left = length; left > 0;)
        {
            var part = Math.Min(left, 10_000);
            call.Stream.Output.Write(Pattern(length - left, part));
            left -= part;
            if (!await call.FlushAsync())
                throw new OperationCanceledException();
        }
    }

    /// <summary>The same from memory that is lent to the transport.</summary>
    private static async ValueTask LentAsync(RpcCall call, bool isLast)
    {
        int length;
        using (var lease = await call.Reader.ReadSingleAsync(null))
            length = BitConverter.ToInt32(lease.Payload.ToArray());
        using var buffer = call.Pool.Rent(length);
        Pattern(0, length).CopyTo(buffer.Memory);
        call.WritePrefix(length);
        if (!await (isLast ? call.SendLastAsync(buffer.Memory) : call.Stream.SendAsync(buffer.Memory)))
            throw new OperationCanceledException();
    }

    /// <summary>Sends a whole answer from lent memory, and does not end.</summary>
    private async ValueTask HeldAsync(RpcCall call)
    {
        await LentAsync(call, isLast: true);
        await Release.Task;
    }

    /// <summary>Bytes that tell where they belong.</summary>
    public static byte[] Pattern(int start, int length)
    {
        var bytes = new byte[length];
        for (var i = 0; i < length; i++)
            bytes[i] = (byte)(((start + i) * 31) >> 3);
        return bytes;
    }

    private static void Write(RpcCall call, byte[] message) =>
        call.Write(message, message.Length, static (output, bytes) => output.Write(bytes));
}
