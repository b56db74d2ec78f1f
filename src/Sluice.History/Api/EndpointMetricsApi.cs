using Google.Protobuf.Reflection;
using Sluice.History.Reports;
using Sluice.History.Series;
using Sluice.Inference;
using Sluice.Protocol.Metrics.V1;
using Sluice.Rpc.Calls;

namespace Sluice.History.Api;

/// <summary>Serves <c>sluice.metrics.v1.EndpointMetrics</c>: what the Model Endpoints page shows.</summary>
/// <remarks><b>Threads.</b> Any number of callers.</remarks>
/// <param name="history">What serves and what it did.</param>
/// <param name="log">Gives the last lines that an endpoint's processes have written, by name; at most so many.</param>
/// <param name="servedService">Id of the service that "-" means; null = there is none.</param>
public sealed class EndpointMetricsApi(HistoryService history, Func<string, int, IReadOnlyList<string>> log, Func<string?> servedService)
{
    private const string Name = "sluice.metrics.v1.EndpointMetrics";
    private const int MostLines = 1000;
    private const int UsualLines = 100;
    private const int MostMetrics = 40;

    private static readonly TimeSpan UsualPeriod = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ShortestPeriod = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestPeriod = TimeSpan.FromSeconds(60);
    private static readonly long LastMillisecond = DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();

    /// <summary>The contract, for reflection and for its HTTP forms.</summary>
    public static IReadOnlyList<FileDescriptor> Descriptors { get; } = [MetricsReflection.Descriptor];

    /// <summary>All methods.</summary>
    public IReadOnlyList<RpcMethod> Methods =>
    [
        CallerMethod.Unary(Name, "ListServedEndpoints", ListServedEndpointsRequest.Parser, (request, _) => ValueTask.FromResult(List(request))),
        CallerMethod.Unary(Name, "GetServedEndpoint", GetServedEndpointRequest.Parser, (request, _) => ValueTask.FromResult(Get(request))),
        new CallerStreamingMethod<WatchServedEndpointsRequest, ListServedEndpointsResponse>(
            Name, "WatchServedEndpoints", WatchServedEndpointsRequest.Parser, WatchAsync),
        CallerMethod.Unary(Name, "GetEndpointLog", GetEndpointLogRequest.Parser, (request, _) => ValueTask.FromResult(GetLog(request))),
        CallerMethod.Unary(Name, "QuerySeries", QuerySeriesRequest.Parser, QuerySeriesAsync),
        CallerMethod.Unary(Name, "QueryHeatMap", QueryHeatMapRequest.Parser, QueryHeatMapAsync),
        CallerMethod.Unary(Name, "QueryDistributions", QueryDistributionsRequest.Parser, QueryDistributionsAsync),
        CallerMethod.Unary(Name, "GetHistoryStatus", GetHistoryStatusRequest.Parser, (_, _) => ValueTask.FromResult(Status())),
    ];

    private ListServedEndpointsResponse List(ListServedEndpointsRequest request)
    {
        history.Look();
        var now = history.Time.GetUtcNow();
        var service = request.ServiceId == "-" ? servedService() ?? "-" : request.ServiceId;
        var response = new ListServedEndpointsResponse { TimeMs = now.ToUnixTimeMilliseconds() };
        foreach (var (url, entries) in history.Registry.ByUrl())
        {
            if (service.Length > 0 && entries[0].Figures?.ServiceId != service)
                continue;
            var row = url.Length > 0 ? RowMessages.ToRow(url, entries) : null;
            if (request.Kind != EndpointKind.Unspecified && row?.Kind != request.Kind)
                continue;
            if (row is not null)
                response.Endpoints.Add(row);
            response.Loading.Add(entries.Where(entry => !RowMessages.Serves(entry)).Select(entry => RowMessages.ToInstance(entry, now)));
        }

        Sort(response);
        return response;
    }

    private static void Sort(ListServedEndpointsResponse response)
    {
        var endpoints = response.Endpoints.OrderBy(row => row.Name, StringComparer.Ordinal).ThenBy(row => row.Url, StringComparer.Ordinal).ToList();
        response.Endpoints.Clear();
        response.Endpoints.Add(endpoints);
        var loading = response.Loading.OrderBy(instance => instance.Endpoint, StringComparer.Ordinal).ThenBy(instance => instance.Id, StringComparer.Ordinal).ToList();
        response.Loading.Clear();
        response.Loading.Add(loading);
    }

    private ServedEndpointDetails Get(GetServedEndpointRequest request)
    {
        history.Look();
        var (url, entries) = Find(request.Endpoint);
        if (entries.Count == 0)
            throw Unknown(request.Endpoint);
        var now = history.Time.GetUtcNow();
        return new ServedEndpointDetails
        {
            Endpoint = RowMessages.ToRow(url, entries),
            Instances = { entries.Select(entry => RowMessages.ToInstance(entry, now)) },
        };
    }

    private async ValueTask WatchAsync(
        WatchServedEndpointsRequest request, Func<ListServedEndpointsResponse, ValueTask> send, CallContext context)
    {
        var period = request.IntervalMs == 0 ? UsualPeriod : TimeSpan.FromMilliseconds(
            Math.Clamp(request.IntervalMs, ShortestPeriod.TotalMilliseconds, LongestPeriod.TotalMilliseconds));
        using var timer = new PeriodicTimer(period, history.Time);
        do
        {
            var all = List(new ListServedEndpointsRequest());
            if (request.Endpoint.Length > 0)
                all = Only(all, request.Endpoint);
            await send(all).ConfigureAwait(false);
        }
        while (await timer.WaitForNextTickAsync(context.CancellationToken).ConfigureAwait(false));
    }

    private static ListServedEndpointsResponse Only(ListServedEndpointsResponse all, string endpoint)
    {
        var row = all.Endpoints.FirstOrDefault(row => row.Id == endpoint || row.Url == endpoint);
        var only = new ListServedEndpointsResponse { TimeMs = all.TimeMs };
        if (row is null)
            return only;
        only.Endpoints.Add(row);
        only.Loading.Add(all.Loading.Where(instance => instance.Url == row.Url));
        return only;
    }

    private EndpointLog GetLog(GetEndpointLogRequest request)
    {
        history.Look();
        var (_, entries) = Find(request.Endpoint);
        if (entries.Count == 0)
            throw Unknown(request.Endpoint);
        var own = entries.FirstOrDefault(entry => entry.Figures is not null && entry.Report.ContainerId == history.Replica);
        var count = request.LineCount <= 0 ? UsualLines : Math.Min(request.LineCount, MostLines);
        return new EndpointLog
        {
            Replica = history.Replica,
            Reason = own?.Figures?.Reason ?? "",
            Lines = { own is null ? [] : log(own.Report.EndpointName, count) },
        };
    }

    private async ValueTask<QuerySeriesResponse> QuerySeriesAsync(QuerySeriesRequest request, CallContext context)
    {
        if (request.Metrics.Count is 0 or > MostMetrics)
            throw InferenceException.Invalid($"'metrics' has {request.Metrics.Count} entries; it needs 1 to {MostMetrics}");
        if (request.Metrics.FirstOrDefault(metric => metric == Metric.Unspecified || !Enum.IsDefined(metric), (Metric)(-1)) is var odd && odd != (Metric)(-1))
            throw InferenceException.Invalid($"'metrics' has {(int)odd}, which is no metric");
        var interval = request.Metrics.Contains(Metric.FailuresMin) ? WholeSamples(request.IntervalMs) : request.IntervalMs;
        var (range, points) = await ReadAsync(
            request.Endpoint, request.Instance, request.FromMs, request.ToMs, interval, context).ConfigureAwait(false);
        var response = new QuerySeriesResponse { IntervalMs = range.IntervalMilliseconds };
        foreach (var metric in request.Metrics)
        {
            var (title, answer) = Compute(metric, range, points);
            var series = new MetricSeries { Metric = metric, Title = title, Total = ToMessage(answer.Total) };
            if (!request.OmitsInstances)
                series.Instances.Add(answer.Instances.Select(ToMessage));
            response.Series.Add(series);
        }

        return response;
    }

    private static (string Title, MetricAnswer Answer) Compute(Metric metric, HistoryRange range, IReadOnlyList<InstancePoints> points) => metric switch
    {
        Metric.LatencyMs => ("Average Latency (ms)", CountedSeries.Latency(range, points)),
        Metric.LatencyP50 => ("Latency P50 (ms)", CountedSeries.Quantile(range, points, 0.5)),
        Metric.LatencyP90 => ("Latency P90 (ms)", CountedSeries.Quantile(range, points, 0.9)),
        Metric.LatencyP99 => ("Latency P99 (ms)", CountedSeries.Quantile(range, points, 0.99)),
        Metric.ErrorRate => ("Error Rate", CountedSeries.ErrorRate(range, points)),
        Metric.FailuresMin => ("Failures per Minute", CountedSeries.FailuresPerMinute(range, points)),
        _ => (SeriesMetric.All[(int)metric - 1].Title, ReportedSeries.Compute(SeriesMetric.All[(int)metric - 1], range, points)),
    };

    private async ValueTask<HeatMap> QueryHeatMapAsync(QueryHeatMapRequest request, CallContext context)
    {
        var (range, points) = await ReadAsync(
            request.Endpoint, request.Instance, request.FromMs, request.ToMs, WholeSamples(request.IntervalMs), context).ConfigureAwait(false);
        var (bounds, columns) = CountedSeries.HeatMap(range, points);
        return new HeatMap
        {
            IntervalMs = range.IntervalMilliseconds,
            UpperBoundsMs = { bounds },
            Columns = { columns.Select(column => new HeatMapColumn { TimeMs = column.Time, Counts = { column.Counts } }) },
        };
    }

    /// <summary>Counts of an interval compare only when each has as many samples.</summary>
    private long WholeSamples(long interval)
    {
        var sample = (long)history.Figures.Interval.TotalMilliseconds;
        var least = Math.Max(interval, (long)HistoryTiers.ShortestInterval.TotalMilliseconds);
        return (least + sample - 1) / sample * sample;
    }

    private async ValueTask<Distributions> QueryDistributionsAsync(QueryDistributionsRequest request, CallContext context)
    {
        var (range, points) = await ReadAsync(request.Endpoint, request.Instance, request.FromMs, request.ToMs, 0, context).ConfigureAwait(false);
        if (CountedSeries.Sum(range, points) is not { } sum)
            return new Distributions();
        return new Distributions
        {
            BatchRows = { CountedSeries.BatchBars(sum.Batches).Select(ToMessage) },
            QueueDelayMs = { CountedSeries.TimeBars(sum.Queue).Select(ToMessage) },
            LatencyMs = { CountedSeries.TimeBars(sum.Latency).Select(ToMessage) },
        };
    }

    private HistoryStatus Status()
    {
        var figures = history.Figures;
        return new HistoryStatus
        {
            IsOn = figures.IsOn,
            IntervalMs = (long)figures.Interval.TotalMilliseconds,
            RetentionMs = (long)figures.Retention.TotalMilliseconds,
            SeriesCount = figures.SeriesCount,
            SampleCount = figures.PointCount,
            StoredBytes = figures.ByteCount,
            StoredBytesLimit = figures.MaxBytes,
            DroppedCount = figures.DroppedCount,
            Fault = figures.Fault,
        };
    }

    private async Task<(HistoryRange Range, IReadOnlyList<InstancePoints> Points)> ReadAsync(
        string endpoint, string instance, long fromMs, long toMs, long intervalMs, CallContext context)
    {
        if (fromMs < 0 || toMs < 0 || fromMs > LastMillisecond || toMs > LastMillisecond || intervalMs < 0 || intervalMs > LastMillisecond)
            throw InferenceException.Invalid($"'from_ms' {fromMs}, 'to_ms' {toMs} and 'interval_ms' {intervalMs} must be milliseconds since 1970, and milliseconds");
        var from = DateTimeOffset.FromUnixTimeMilliseconds(fromMs);
        var to = toMs == 0 ? history.Time.GetUtcNow() : DateTimeOffset.FromUnixTimeMilliseconds(toMs);
        if (from >= to)
            throw InferenceException.Invalid($"'from_ms' {fromMs} must be before 'to_ms' {to.ToUnixTimeMilliseconds()}");
        var url = Find(endpoint).Url;
        return await history.ReadAsync(
            url, instance, from, to, TimeSpan.FromMilliseconds(intervalMs), context.CancellationToken).ConfigureAwait(false);
    }

    /// <summary>Finds a row by id or URL; a URL may be one that nothing serves any more, whose history is still there.</summary>
    private (string Url, IReadOnlyList<ContainerEntry> Entries) Find(string endpoint)
    {
        if (endpoint.Length == 0)
            throw InferenceException.Invalid("'endpoint' is empty; it must be the id or the URL of an endpoint");
        if (!Guid.TryParse(endpoint, out _))
            return (endpoint, history.Registry.OfUrl(endpoint));
        var found = history.Registry.ByUrl().Keys.FirstOrDefault(url => url.Length > 0 && RowIds.Of(url) == endpoint) ?? throw Unknown(endpoint);
        return (found, history.Registry.OfUrl(found));
    }

    private static InferenceException Unknown(string endpoint) => new(
        InferenceCode.NotFound, $"nothing that is alive has the id or the URL '{endpoint}'");

    private static Protocol.Metrics.V1.Series ToMessage(ValueSeries series) =>
        new() { Instance = series.Instance, TimesMs = { series.Times }, Values = { series.Values } };

    private static Bucket ToMessage((double UpperBound, double Count) bar) => new() { UpperBound = bar.UpperBound, Count = bar.Count };
}
