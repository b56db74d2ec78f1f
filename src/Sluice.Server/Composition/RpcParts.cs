using System.Net;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Http2;
using Sluice.Rpc.Dispatch;
using Sluice.Rpc.Kestrel;
using Sluice.Rpc.Transport;

namespace Sluice.Server.Composition;

/// <summary>Builds the gRPC port's transport from the options.</summary>
internal static class RpcParts
{
    public static IRpcServer? Create(
        ServerOptions options, RpcDispatcher dispatcher, ILoggerFactory loggers, TimeProvider time)
    {
        if (options.Grpc is not { } endPoint)
            return null;
        if (!IsNative(options))
            return new KestrelRpcServer(CreateKestrel(options, endPoint), dispatcher, loggers);
        var native = new Http2ServerOptions
        {
            EndPoint = endPoint,
            LoopCount = options.GrpcLoopCount,
            UsesSockets = UsesSockets(options),
            Tls = options.GrpcPort.Tls,
            ReusesPort = options.GrpcPort.ReusesPort,
            MaxAge = options.GrpcPort.MaxAge,
            MaxAgeGrace = options.GrpcPort.MaxAgeGrace,
            Limits = new Http2Limits
            {
                KeepAliveTime = options.GrpcPort.KeepAliveTime,
                KeepAliveTimeout = options.GrpcPort.KeepAliveTimeout,
                MaxPingsWithoutData = options.GrpcPort.MaxPingsWithoutData,
                PermitsPingsWithoutCalls = options.GrpcPort.PermitsPingsWithoutCalls,
                MinPingInterval = options.GrpcPort.MinPingInterval,
                MaxPingStrikes = options.GrpcPort.MaxPingStrikes,
            },
        };
        return new Http2RpcServer(native, dispatcher, loggers, time);
    }

    /// <summary>The same transport on a loopback port of its own, plain.</summary>
    public static IRpcServer CreateLoopback(ServerOptions options, RpcDispatcher dispatcher, TimeProvider time)
    {
        var loopback = new IPEndPoint(IPAddress.Loopback, 0);
        return IsNative(options)
            ? new Http2RpcServer(
                new Http2ServerOptions { EndPoint = loopback, LoopCount = 1, UsesSockets = UsesSockets(options) }, dispatcher, NullLoggerFactory.Instance, time)
            : new KestrelRpcServer(new RpcListenOptions { EndPoint = loopback }, dispatcher, NullLoggerFactory.Instance);
    }

    private static bool IsNative(ServerOptions options) => options.GrpcTransport != GrpcTransport.Kestrel;

    private static bool UsesSockets(ServerOptions options) =>
        options.GrpcTransport == GrpcTransport.Sockets || !OperatingSystem.IsLinux();

    private static RpcListenOptions CreateKestrel(ServerOptions options, EndPoint endPoint) => new()
    {
        EndPoint = endPoint,
        Tls = options.GrpcPort.Tls,
        ReusesPort = options.GrpcPort.ReusesPort,
        MaxAge = options.GrpcPort.MaxAge,
        MaxAgeGrace = options.GrpcPort.MaxAgeGrace,
        KeepAliveTime = options.GrpcPort.KeepAliveTime,
        KeepAliveTimeout = options.GrpcPort.KeepAliveTimeout,
    };
}
