using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Rest;
using Sluice.Rest.Kestrel;
using Sluice.Rest.Routing;
using Sluice.Rest.V2;
using Sluice.Rpc;
using Sluice.Rpc.Dispatch;
using Sluice.Statistics.Prometheus;
using Sluice.Tensors;

namespace Sluice.Server.Composition;

/// <summary>Builds the two HTTP/1.1 ports from the options.</summary>
internal static class HttpParts
{
    public static RestServer? CreateRest(
        ServerOptions options, MethodTable methods, IInferenceEngine engine, RpcOptions rpc, TensorBufferPool pool,
        ILoggerFactory loggers)
    {
        if (options.Http is not { } endPoint)
            return null;
        var listen = new RestListenOptions
        {
            EndPoint = endPoint,
            MaxInputBytes = options.HttpMaxInputBytes,
            AccessLog = options.AccessLog,
            Tracing = rpc.Tracing,
            Authenticator = rpc.Authenticator,
            Tls = options.HttpPort.Tls,
            ReusesPort = options.HttpPort.ReusesPort,
        };
        return new RestServer(listen, new RestRouter(V2Routes.Create(methods, engine)), pool, loggers);
    }

    public static RestServer? CreateMetrics(
        ServerOptions options, ModelTable models, TensorBufferPool pool, ILoggerFactory loggers)
    {
        if (options.Metrics is not { } endPoint)
            return null;
        var exposition = new MetricsExposition(() => Servables(models), pool);
        var route = RestRoute.Text("/metrics", MetricsExposition.ContentType, exposition.Write);
        return new RestServer(new RestListenOptions { EndPoint = endPoint }, new RestRouter([route]), pool, loggers);
    }

    private static IEnumerable<IServable> Servables(ModelTable models) =>
        models.Models.SelectMany(model => model.Versions).Select(version => version.Servable).OfType<IServable>();
}
