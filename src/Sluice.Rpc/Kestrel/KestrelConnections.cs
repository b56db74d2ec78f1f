using System.Net.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Sluice.Rpc.Transport;

namespace Sluice.Rpc.Kestrel;

/// <summary>Puts <see cref="ConnectionOptions"/> into effect on Kestrel, for both front ends.</summary>
public static class KestrelConnections
{
    private const double Spread = 0.1;

    /// <summary>Makes a server that listens as the options say.</summary>
    /// <param name="options">Where and how.</param>
    /// <param name="kestrel">Limits; completed here.</param>
    /// <param name="protocol">HTTP/1.1 or HTTP/2, one of them.</param>
    /// <param name="connections">Counts connections.</param>
    /// <param name="loggers">For the transport.</param>
    /// <exception cref="IOException">A certificate cannot be read.</exception>
    public static KestrelServer CreateServer(
        ConnectionOptions options, KestrelServerOptions kestrel, HttpProtocols protocol, ConnectionCounter connections,
        ILoggerFactory loggers)
    {
        var certificates = options.Tls is { } tls ? ReadCertificates(tls, protocol, loggers) : null;
        if (certificates is not null)
            kestrel.ApplicationServices = CreateTlsServices(loggers);
        kestrel.Listen(options.EndPoint, listen =>
        {
            listen.Protocols = protocol;
            listen.Use(next => connection => ServeAsync(connection, next, options, connections));
            if (certificates is not null)
                listen.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = _ => new(certificates.Current) });
        });
        var sockets = new SocketTransportOptions
        {
            CreateBoundListenSocket = endPoint => ListenSockets.CreateBound(endPoint, options.ReusesPort),
        };
        return new KestrelServer(Options.Create(kestrel), new SocketTransportFactory(Options.Create(sockets), loggers), loggers);
    }

    private static TlsCertificates ReadCertificates(TlsOptions tls, HttpProtocols protocol, ILoggerFactory loggers) => new(
        tls, protocol == HttpProtocols.Http2 ? SslApplicationProtocol.Http2 : SslApplicationProtocol.Http11, TimeProvider.System,
        loggers.CreateLogger<TlsCertificates>());

    /// <summary>Kestrel's TLS finds its own parts by dependency injection, which the bare server does without otherwise.</summary>
    private static IServiceProvider CreateTlsServices(ILoggerFactory loggers)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore();
        builder.Services.AddSingleton(loggers);
        return builder.Build().Services;
    }

    private static async Task ServeAsync(
        ConnectionContext connection, ConnectionDelegate next, ConnectionOptions options, ConnectionCounter connections)
    {
        connections.OnOpened();
        using var ended = new CancellationTokenSource();
        var aging = options.MaxAge is { } age ? AgeAsync(connection, age, options.MaxAgeGrace, ended.Token) : Task.CompletedTask;
        try
        {
            await next(connection).ConfigureAwait(false);
        }
        finally
        {
            connections.OnClosed();
            await ended.CancelAsync().ConfigureAwait(false);
            await aging.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Asks for an orderly end (GOAWAY over HTTP/2) when the time has come, and cuts off what is left after the grace.</summary>
    private static async Task AgeAsync(ConnectionContext connection, TimeSpan age, TimeSpan? grace, CancellationToken ended)
    {
        // Connections that were opened together must not all end together.
        await Task.Delay(age * (1 + (((2 * Random.Shared.NextDouble()) - 1) * Spread)), ended).ConfigureAwait(false);
        connection.Features.Get<IConnectionLifetimeNotificationFeature>()?.RequestClose();
        if (grace is null)
            return;
        await Task.Delay(grace.Value, ended).ConfigureAwait(false);
        connection.Abort(new ConnectionAbortedException("the connection's age and its grace are over"));
    }
}
