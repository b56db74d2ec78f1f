using System.Diagnostics;
using System.Net;
using System.Runtime;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Inference;
using Sluice.Rest;
using Sluice.Rest.Kestrel;
using Sluice.Rest.Routing;
using Sluice.Rest.V2;
using Sluice.Rpc;
using Sluice.Rpc.Dispatch;
using Sluice.Rpc.Transport;
using Sluice.Scheduling;
using Sluice.Scheduling.Dynamic;
using Sluice.Scheduling.Timing;
using Sluice.Server.Services;
using Sluice.Tensors;

namespace Sluice.Server.WarmUp;

/// <summary>Drives the request path over loopback ports of its own until the runtime has compiled it for speed.</summary>
/// <remarks>
/// The first clients of a fresh process would otherwise pay several times the steady cost for seconds, more on few cores,
/// where the compiler competes with them. Nothing of it shows in statistics: the calls run a model of their own.
/// </remarks>
/// <param name="methods">The served methods, for the HTTP front end.</param>
/// <param name="pool">The server's memory.</param>
/// <param name="timer">The server's timer.</param>
/// <param name="createRpc">Makes the gRPC transport that the server uses, on a port of its own.</param>
internal sealed class SelfWarmUp(
    MethodTable methods, TensorBufferPool pool, IDelayTimer timer, Func<RpcDispatcher, IRpcServer> createRpc)
{
    private const int Streams = 16;
    private static readonly TimeSpan Budget = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Quiet = TimeSpan.FromMilliseconds(250);

    public async Task RunAsync()
    {
        await using var model = new DynamicBatcher(
            EchoModel.Settings, new EchoModel(), [new EchoModel()], pool, new SchedulerOptions(), timer, NullLogger.Instance);
        var engine = new EchoEngine(model);
        var loopback = new IPEndPoint(IPAddress.Loopback, 0);
        var dispatcher = new RpcDispatcher(
            new MethodTable(new InferenceService(engine).Methods), new RpcOptions(), pool, NullLogger<RpcDispatcher>.Instance);
        await using var rpc = createRpc(dispatcher);
        await using var rest = new RestServer(
            new RestListenOptions { EndPoint = loopback }, new RestRouter(V2Routes.Create(methods, engine)), pool,
            NullLoggerFactory.Instance);
        await rpc.StartAsync(CancellationToken.None).ConfigureAwait(false);
        await rest.StartAsync(CancellationToken.None).ConfigureAwait(false);
        await CallUntilCompiledAsync(rpc.Addresses[0].Port, rest.Addresses[0].Port).ConfigureAwait(false);
        using var patience = new CancellationTokenSource(Quiet);
        await Task.WhenAll(rpc.StopAsync(patience.Token), rest.StopAsync(patience.Token)).ConfigureAwait(false);
    }

    private static async Task CallUntilCompiledAsync(int grpcPort, int httpPort)
    {
        using var grpc = new GrpcWarmUpClient();
        using var http = new HttpWarmUpClient();
        await grpc.ConnectAsync(new IPEndPoint(IPAddress.Loopback, grpcPort)).ConfigureAwait(false);
        await http.ConnectAsync(new IPEndPoint(IPAddress.Loopback, httpPort)).ConfigureAwait(false);
        var (started, lastCompiled, compiled) = (Stopwatch.GetTimestamp(), Stopwatch.GetTimestamp(), 0L);
        while (Stopwatch.GetElapsedTime(started) < Budget && Stopwatch.GetElapsedTime(lastCompiled) < Quiet)
        {
            await grpc.CallAsync(1).ConfigureAwait(false);
            await grpc.CallAsync(Streams).ConfigureAwait(false);
            await http.CallAsync().ConfigureAwait(false);
            var now = JitInfo.GetCompiledMethodCount();
            if (now == compiled)
                continue;
            compiled = now;
            lastCompiled = Stopwatch.GetTimestamp();
        }
    }

    /// <summary>The engine without a table of models.</summary>
    private sealed class EchoEngine(DynamicBatcher model) : IInferenceEngine
    {
        public ValueTask InferAsync(InferRequest request)
        {
            RequestBinder.Bind(request, model.Settings);
            return model.ExecuteAsync(request);
        }
    }
}
