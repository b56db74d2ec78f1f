using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Abstractions;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using Sluice.Rest.Calls;
using Sluice.Rest.Routing;
using Sluice.Rpc.Kestrel;
using Sluice.Rpc.Transport;
using Sluice.Tensors;

namespace Sluice.Rest.Kestrel;

/// <summary>Serves routes over Kestrel's HTTP/1.1, on the bare server: no HttpContext, no middleware.</summary>
public sealed class RestServer : IAsyncDisposable
{
    private readonly RestListenOptions _options;
    private readonly TensorBufferPool _pool;
    private readonly RestDispatcher _dispatcher;
    private readonly KestrelServer _server;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();

    /// <summary>Creates a server; nothing listens yet.</summary>
    /// <param name="options">Where it listens, and its limits.</param>
    /// <param name="router">What it serves.</param>
    /// <param name="pool">Memory for bodies and tensors.</param>
    /// <param name="loggers">For the server and its transport.</param>
    /// <exception cref="IOException">A certificate cannot be read.</exception>
    public RestServer(RestListenOptions options, RestRouter router, TensorBufferPool pool, ILoggerFactory loggers)
    {
        _options = options;
        _pool = pool;
        _logger = loggers.CreateLogger<RestServer>();
        _dispatcher = new RestDispatcher(router, _logger, options);
        var kestrel = new KestrelServerOptions { AddServerHeader = false };

        // Our own limit answers in the protocol's words; Kestrel's would not.
        kestrel.Limits.MaxRequestBodySize = null;
        kestrel.Limits.MinResponseDataRate = null;
        _server = KestrelConnections.CreateServer(options, kestrel, HttpProtocols.Http1, Connections, loggers);
    }

    /// <summary>The port's connections.</summary>
    public ConnectionCounter Connections { get; } = new();

    /// <summary>Addresses that are listened on, once started.</summary>
    public IReadOnlyList<Uri> Addresses =>
        [.. _server.Features.Get<IServerAddressesFeature>()!.Addresses.Select(address => new Uri(address))];

    /// <summary>Calls being served now.</summary>
    public long ActiveCount => _dispatcher.ActiveCount;

    /// <summary>Lists the statuses with which requests have ended.</summary>
    public IEnumerable<(int Status, long Count)> EndedCounts => _dispatcher.EndedCounts;

    /// <summary>Begins to listen.</summary>
    /// <exception cref="IOException">The port is taken.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await _server.StartAsync(new Application(this), cancellationToken).ConfigureAwait(false);
        foreach (var address in Addresses)
            RestLog.Listening(_logger, address);
    }

    /// <summary>Takes no new requests, lets running ones end, closes connections.</summary>
    /// <param name="cancellationToken">Ends the waiting: what still runs is aborted.</param>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _server.StopAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _server.Dispose();
        _stopping.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Kestrel's entry: keeps one exchange with each of Kestrel's connections.</summary>
    private sealed class Application(RestServer server) : IHttpApplication<KestrelRestExchange>
    {
        public KestrelRestExchange CreateContext(IFeatureCollection contextFeatures)
        {
            KestrelRestExchange exchange;
            if (contextFeatures is IHostContextContainer<KestrelRestExchange> container)
                exchange = container.HostContext ??= Create();
            else
                exchange = Create();
            exchange.Begin(contextFeatures);
            return exchange;
        }

        public Task ProcessRequestAsync(KestrelRestExchange context)
        {
            var serving = server._dispatcher.ServeAsync(context.Call, context);
            return serving.IsCompletedSuccessfully ? Task.CompletedTask : serving.AsTask();
        }

        public void DisposeContext(KestrelRestExchange context, Exception? exception)
        {
        }

        private KestrelRestExchange Create() => new(new RestCall(server._options, server._pool) { Stopping = server._stopping.Token });
    }
}
