using System.Buffers;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Protocol.Inference;
using Sluice.Rpc.Calls;
using Sluice.Rpc.Dispatch;
using Sluice.Tensors;

namespace Sluice.Rpc.Tests;

/// <summary>A dispatcher over a few methods and a pool that must be empty at the end.</summary>
internal sealed class DispatcherFixture : IDisposable
{
    public const string Echo = "/test.Service/Echo";
    public const string Raw = "/test.Service/Raw";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly List<string> _leaks = [];

    public DispatcherFixture(RpcOptions? options = null, params RpcMethod[] methods)
    {
        Pool = new TensorBufferPool(new TensorBufferPoolOptions { Debug = true, OnLeak = _leaks.Add });
        Dispatcher = new RpcDispatcher(
            new MethodTable(
            [
                new UnaryMethod<ModelReadyRequest, ModelReadyResponse>(
                    "test.Service", "Echo", ModelReadyRequest.Parser, (request, token) => EchoAsync(request, token)),
                new RawMethod("test.Service", "Raw", ReadRawAsync),
                new UnimplementedMethod("test.Service", "Later"),
                .. methods,
            ]),
            options ?? new RpcOptions(), Pool, NullLogger<RpcDispatcher>.Instance);
        Call = new RpcCall(Dispatcher.Options, Pool);
    }

    public TensorBufferPool Pool { get; }

    public RpcDispatcher Dispatcher { get; }

    public RpcCall Call { get; }

    /// <summary>What the unary method does; the default answers ready for a model named "yes".</summary>
    public Func<ModelReadyRequest, CancellationToken, ValueTask<ModelReadyResponse>> EchoAsync { get; set; } =
        (request, _) => ValueTask.FromResult(new ModelReadyResponse { Ready = request.Name == "yes" });

    /// <summary>Where bulk data starts, for the raw method.</summary>
    public Framing.BulkOffset? BulkOffset { get; set; }

    /// <summary>What the raw method read last.</summary>
    public byte[]? RawMessage { get; private set; }

    /// <summary>Address, modulo 64, of the bulk data that the raw method saw; -1 when it was not landed.</summary>
    public long BulkAlignment { get; private set; } = -1;

    public Task Serve(FakeExchange exchange) => Dispatcher.ServeAsync(Call, exchange).AsTask().WaitAsync(Patience);

    /// <summary>Sends one frame or several as one arrival, ends the request and serves it.</summary>
    public async Task<FakeExchange> ServeAsync(string path, params byte[][] frames)
    {
        var exchange = new FakeExchange(path);
        await exchange.WriteAsync(frames.SelectMany(frame => frame).ToArray());
        exchange.EndRequest();
        await Serve(exchange);
        return exchange;
    }

    public static byte[] Request(string name) => FakeExchange.Frame(new ModelReadyRequest { Name = name }.ToByteArray());

    public void Dispose()
    {
        Assert.Equal(0, Dispatcher.ActiveCount);
        Assert.Equal(0, Pool.RentedCount);
        Pool.Dispose();
        Assert.Empty(_leaks);
    }

    private async ValueTask ReadRawAsync(RpcCall call)
    {
        using var lease = await call.Reader.ReadSingleAsync(BulkOffset);
        RawMessage = lease.Payload.ToArray();
        Inspect(lease.Payload);
        call.Writer.EnableCompression();
        call.Write(RawMessage, RawMessage.Length, static (output, message) => output.Write(message));
    }

    private unsafe void Inspect(ReadOnlySequence<byte> payload)
    {
        BulkAlignment = -1;
        if (BulkOffset is not null && TensorBuffer.TryGet(payload.First, out var buffer, out var offset))
            BulkAlignment = ((long)buffer.Pointer + offset + BulkOffset(in payload)) % 64;
    }
}
