using Microsoft.Extensions.Logging;
using Sluice.History;
using Sluice.History.Api;
using Sluice.Models;
using Sluice.Rest.Calls;
using Sluice.Rest.Routing;
using Sluice.Rpc.Access;
using Sluice.Statistics;

namespace Sluice.Server.Composition;

/// <summary>Builds what the Model Endpoints page and stock containers talk to.</summary>
internal sealed class HistoryParts : IAsyncDisposable
{
    private readonly ServingApi _serving;

    public HistoryParts(
        ServerOptions options, ControlParts control, EndpointParts endpoints, ModelLifecycle models,
        Func<string, int, IReadOnlyList<string>> log, ILoggerFactory loggers, TimeProvider time)
    {
        var rows = new ServedRows(control.Plane, endpoints.Table, models, EndpointParts.ServePath);
        Service = new HistoryService(
            options.Statistics.History, control.Store, control.Plane.Statuses.Replica, rows, loggers.CreateLogger<HistoryService>(), time);
        Api = new EndpointMetricsApi(Service, log, () => control.Plane.Snapshot.ServedServiceId);
        _serving = new ServingApi(Service);
    }

    /// <summary>What serves and what it did.</summary>
    public HistoryService Service { get; }

    /// <summary>For the metrics page.</summary>
    public HistorySizes Sizes
    {
        get
        {
            var figures = Service.Figures;
            return new HistorySizes(figures.PointCount, figures.ByteCount, figures.DroppedCount);
        }
    }

    /// <summary>The page's methods.</summary>
    public EndpointMetricsApi Api { get; }

    /// <summary>The serving calls, under all paths that stock callers use.</summary>
    public IEnumerable<RestRoute> Routes =>
        from action in ServingApi.Writes.Concat(ServingApi.Reads)
        from form in AccessTable.ClearMlForms("serving." + action)
        select new RestRoute(form.Method, form.Path, call => ServeAsync(action, call)) { ErrorBody = CallEnvelope.WriteError };

    public ValueTask DisposeAsync() => Service.DisposeAsync();

    private async ValueTask ServeAsync(string action, RestCall call)
    {
        var body = await call.ReadBytesAsync().ConfigureAwait(false);
        var status = await _serving.CallAsync(action, body, call.Output, call.CancellationToken).ConfigureAwait(false);
        await call.SendJsonAsync(status).ConfigureAwait(false);
    }
}
