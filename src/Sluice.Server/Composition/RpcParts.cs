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
            (options.GrpcTransport == GrpcTransport.Auto && Http2RpcServer.IsSupported);
        if (!isNative)
            return new KestrelRpcServer(new RpcListenOptions { EndPoint = endPoint }, dispatcher, loggers);
        var native = new Http2ServerOptions { EndPoint = endPoint, LoopCount = options.GrpcLoopCount };
        return new Http2RpcServer(native, dispatcher, loggers, time);
    }
}
