using System.Net;
using Microsoft.Extensions.Logging;
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
        var isNative = options.GrpcTransport == GrpcTransport.Native ||
            (options.GrpcTransport == GrpcTransport.Auto && Http2RpcServer.IsSupported && options.GrpcPort.Tls is null);
        if (!isNative)
            return new KestrelRpcServer(CreateKestrel(options, endPoint), dispatcher, loggers);
        var native = new Http2ServerOptions
        {
            EndPoint = endPoint,
            LoopCount = options.GrpcLoopCount,
            Tls = options.GrpcPort.Tls,
            ReusesPort = options.GrpcPort.ReusesPort,
            MaxAge = options.GrpcPort.MaxAge,
            MaxAgeGrace = options.GrpcPort.MaxAgeGrace,
            Limits = new Http2Limits
            {
                KeepAliveTime = options.GrpcPort.KeepAliveTime,
                KeepAliveTimeout = options.GrpcPort.KeepAliveTimeout,
            },
        };
        return new Http2RpcServer(native, dispatcher, loggers, time);
    }

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
