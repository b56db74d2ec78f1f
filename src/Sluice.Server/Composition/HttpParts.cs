using System.Buffers;
using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Models;
using Sluice.Rest;
using Sluice.Rest.Kestrel;
using Sluice.Rest.Routing;
using Sluice.Rest.V2;
using Sluice.Rpc;
using Sluice.Rpc.Dispatch;
using Sluice.Rpc.Transport;
using Sluice.Statistics;
using Sluice.Statistics.Prometheus;
using Sluice.Tensors;

namespace Sluice.Server.Composition;

/// <summary>Builds the HTTP/1.1 ports of the v2 protocol and of metrics from the options.</summary>
internal static class HttpParts
{
    public static RestServer? CreateRest(
        ServerOptions options, MethodTable methods, IInferenceEngine engine, FrontEndStages stages, RpcOptions rpc, TensorBufferPool pool,
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
            ForwardedHeaders = options.HttpForwardedHeaders,
        };
        var routes = AccessParts.Restrict(options, V2Routes.Create(methods, engine, stages));
        return new RestServer(listen, new RestRouter(routes), pool, loggers);
    }

    /// <summary>Creates the ports of the metrics page; all show the same.</summary>
    /// <param name="options">Everything that can be set.</param>
    /// <param name="endPoints">The ports; null among them = none there.</param>
    /// <param name="sources">What the page shows.</param>
    /// <param name="modelMetrics">Gives the metrics that models made themselves, in the same format.</param>
    /// <param name="rpc">Who may call; what the page needs says the table of permissions, as on every port.</param>
    /// <param name="loggers">For the ports.</param>
    public static RestServer?[] CreateMetrics(
        ServerOptions options, EndPoint?[] endPoints, MetricsSources sources, Func<string> modelMetrics, RpcOptions rpc, ILoggerFactory loggers)
    {
        var exposition = new MetricsExposition(sources, options.MetricsContent);
        var route = RestRoute.Text("/metrics", MetricsExposition.ContentType, writer =>
        {
            exposition.Write(writer);
            writer.Write(Encoding.UTF8.GetBytes(modelMetrics()));
        });
        return Array.ConvertAll(endPoints, endPoint => endPoint is null
            ? null
            : new RestServer(
                new RestListenOptions { EndPoint = endPoint, Authenticator = rpc.Authenticator }, new RestRouter([route]), sources.Pool, loggers));
    }

    /// <summary>Reads what a port has counted.</summary>
    public static FrontEndFigures Figures(string name, RestServer server) => new(
        name, server.Connections.Open, server.Connections.Total, server.ActiveCount,
        [.. server.EndedCounts.Select(pair => (pair.Status.ToString(CultureInfo.InvariantCulture), pair.Count))]);

    /// <summary>Reads what the gRPC port has counted.</summary>
    public static FrontEndFigures Figures(IRpcServer server, RpcDispatcher dispatcher) => new(
        "grpc", server.Connections.Open, server.Connections.Total, dispatcher.ActiveCount,
        [.. Enum.GetValues<InferenceCode>().Select(code => (code.ToName(), dispatcher.EndedCount(code)))])
    {
        TransportEvents = server.Events,
    };

    /// <summary>Lists the loaded versions of models.</summary>
    public static IEnumerable<IServable> Servables(ModelTable models) =>
        models.Models.SelectMany(model => model.Versions).Select(version => version.Servable).OfType<IServable>();
}
