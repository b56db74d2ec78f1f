using System.Diagnostics;
using System.Net;
using System.Runtime;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Inference;
using Sluice.Rpc;
using Sluice.Rpc.Dispatch;
using Sluice.Rpc.Kestrel;
using Sluice.Scheduling;
using Sluice.Scheduling.Dynamic;
using Sluice.Scheduling.Timing;
using Sluice.Server.Services;
using Sluice.Tensors;

namespace Sluice.Server.WarmUp;

/// <summary>Drives the request path over a loopback port of its own until the runtime has compiled it for speed.</summary>
/// <remarks>
/// The first clients of a fresh process would otherwise pay several times the steady cost for seconds, more on few cores,
/// where the compiler competes with them. Nothing of it shows in statistics: the calls run a model of their own.
/// </remarks>
internal sealed class SelfWarmUp(TensorBufferPool pool, IDelayTimer timer)
{
    private const int Streams = 16;
    private static readonly TimeSpan Budget = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Quiet = TimeSpan.FromMilliseconds(250);

    public async Task RunAsync()
    {
        await using var model = new DynamicBatcher(
            EchoModel.Settings, new EchoModel(), [new EchoModel()], pool, new SchedulerOptions(), timer,
            NullLogger.Instance);
        var dispatcher = new RpcDispatcher(
            new MethodTable(new InferenceService(new EchoEngine(model)).Methods), new RpcOptions(), pool,
            NullLogger<RpcDispatcher>.Instance);
        var options = new RpcListenOptions { EndPoint = new IPEndPoint(IPAddress.Loopback, 0) };
        await using var server = new KestrelRpcServer(options, dispatcher, NullLoggerFactory.Instance);
        await server.StartAsync(CancellationToken.None).ConfigureAwait(false);
        using var client = new WarmUpClient();
        await client.ConnectAsync(new IPEndPoint(IPAddress.Loopback, server.Addresses[0].Port)).ConfigureAwait(false);
        var (started, lastCompiled, compiled) = (Stopwatch.GetTimestamp(), Stopwatch.GetTimestamp(), 0L);
        while (Stopwatch.GetElapsedTime(started) < Budget && Stopwatch.GetElapsedTime(lastCompiled) < Quiet)
        {
            await client.CallAsync(1).ConfigureAwait(false);
            await client.CallAsync(Streams).ConfigureAwait(false);
            var now = JitInfo.GetCompiledMethodCount();
            if (now == compiled)
                continue;
            compiled = now;
            lastCompiled = Stopwatch.GetTimestamp();
        }

        client.Dispose();
        using var patience = new CancellationTokenSource(Quiet);
        await server.StopAsync(patience.Token).ConfigureAwait(false);
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
