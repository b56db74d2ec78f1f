using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Abstractions;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using Sluice.Rpc.Calls;
using Sluice.Rpc.Dispatch;
using Sluice.Rpc.Transport;

namespace Sluice.Rpc.Kestrel;

/// <summary>Serves gRPC over Kestrel's HTTP/2, on the bare server: no HttpContext, no middleware.</summary>
public sealed class KestrelRpcServer : IRpcServer
{
    private readonly KestrelServer _server;
    private readonly RpcDispatcher _dispatcher;
    private readonly ILogger _logger;

    /// <summary>Creates a server; nothing listens yet.</summary>
    /// <exception cref="IOException">A certificate cannot be read.</exception>
    public KestrelRpcServer(RpcListenOptions options, RpcDispatcher dispatcher, ILoggerFactory loggers)
    {
        _dispatcher = dispatcher;
        _logger = loggers.CreateLogger<KestrelRpcServer>();
        var kestrel = new KestrelServerOptions { AddServerHeader = false, AllowAlternateSchemes = true };
        Configure(kestrel.Limits, options);
        _server = KestrelConnections.CreateServer(options, kestrel, HttpProtocols.Http2, Connections, loggers);
    }

    /// <inheritdoc/>
    public ConnectionCounter Connections { get; } = new();

    /// <inheritdoc/>
    public IReadOnlyList<Uri> Addresses =>
        [.. _server.Features.Get<IServerAddressesFeature>()!.Addresses.Select(address => new Uri(address))];

    /// <inheritdoc/>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await _server.StartAsync(new Application(_dispatcher), cancellationToken).ConfigureAwait(false);
        foreach (var address in Addresses)
            RpcLog.Listening(_logger, address);
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken)
    {
        _dispatcher.StopAccepting();
        return _server.StopAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _server.Dispose();
        return ValueTask.CompletedTask;
    }

    private static void Configure(KestrelServerLimits limits, RpcListenOptions options)
    {
        // These limits are for browsers: an idle connection, an idle stream and a 2 GiB message are all normal here.
        // Not infinite: Kestrel adds it to its clock, which overflows, and drops what is idle within a second.
        limits.KeepAliveTimeout = TimeSpan.FromDays(365);
        limits.MaxRequestBodySize = null;
        limits.MinRequestBodyDataRate = null;
        limits.MinResponseDataRate = null;
        limits.MaxResponseBufferSize = 1024 * 1024;
        limits.Http2.MaxStreamsPerConnection = options.MaxStreamsPerConnection;
        limits.Http2.InitialStreamWindowSize = options.StreamWindowBytes;
        limits.Http2.InitialConnectionWindowSize = options.ConnectionWindowBytes;
        limits.Http2.KeepAlivePingDelay = options.KeepAliveTime;
        limits.Http2.KeepAlivePingTimeout = options.KeepAliveTimeout;
    }

    /// <summary>Kestrel's entry: keeps one stream object with each of Kestrel's pooled streams.</summary>
    private sealed class Application(RpcDispatcher dispatcher) : IHttpApplication<KestrelRpcExchange>
    {
        public KestrelRpcExchange CreateContext(IFeatureCollection contextFeatures)
        {
            KestrelRpcExchange stream;
            if (contextFeatures is IHostContextContainer<KestrelRpcExchange> container)
                stream = container.HostContext ??= Create();
            else
                stream = Create();
            stream.Begin(contextFeatures);
            return stream;
        }

        public Task ProcessRequestAsync(KestrelRpcExchange context)
        {
            var serving = dispatcher.ServeAsync(context.Call, context);
            return serving.IsCompletedSuccessfully ? Task.CompletedTask : serving.AsTask();
        }

        public void DisposeContext(KestrelRpcExchange context, Exception? exception)
        {
        }

        private KestrelRpcExchange Create() => new(() => new RpcCall(dispatcher.Options, dispatcher.Pool));
    }
}
