using System.Net;
using Microsoft.Extensions.Logging;
using Sluice.Control.Endpoints;
using Sluice.Inference;
using Sluice.Rest.Kestrel;
using Sluice.Rpc;
using Sluice.Statistics;
using Sluice.Statistics.Kafka;
using Sluice.Statistics.Sampling;

namespace Sluice.Server.Composition;

/// <summary>Builds what counts and samples endpoints' calls, and the ports of the metrics page.</summary>
internal sealed class StatisticsParts : IAsyncDisposable
{
    private readonly ServerOptions _options;
    private readonly List<RestServer> _servers = [];
    private readonly KafkaPublisher? _kafka;

    /// <summary>Creates what calls need; without a control plane there are no endpoints, and nothing is created.</summary>
    public StatisticsParts(ServerOptions options, ILoggerFactory loggers, TimeProvider time)
    {
        _options = options;
        if (options.ControlPlane is null)
            return;
        _kafka = new KafkaPublisher(options.Statistics.Kafka, loggers.CreateLogger<KafkaPublisher>(), time);
        Sampler = new EndpointSampler(null, _kafka);
        Observer = new EndpointObserver(Endpoints, Sampler);
    }

    /// <summary>All endpoints and canaries.</summary>
    public EndpointTable Endpoints { get; } = new();

    /// <summary>Takes samples of endpoints' calls; null = there are none.</summary>
    public EndpointSampler? Sampler { get; }

    /// <summary>Counts requests for endpoints; null = there are none.</summary>
    public IRequestObserver? Observer { get; }

    /// <summary>The metrics port; null when off.</summary>
    public RestServer? Main { get; private set; }

    /// <summary>The port of the original's exporter; null when off.</summary>
    public RestServer? Exporter { get; private set; }

    /// <summary>Creates the ports; nothing listens yet.</summary>
    /// <param name="sources">What the page shows of everything but endpoints.</param>
    /// <param name="modelMetrics">Gives the metrics that models made themselves, in the same format.</param>
    /// <param name="rpc">Who may call.</param>
    /// <param name="loggers">For the ports.</param>
    public void CreateServers(MetricsSources sources, Func<string> modelMetrics, RpcOptions rpc, ILoggerFactory loggers)
    {
        sources = sources with { Endpoints = ListEndpoints, Canaries = ListCanaries, Sampler = Sampler, Kafka = () => _kafka?.Figures ?? default };
        var exporter = _options.Statistics.Port is { } port
            ? new IPEndPoint((_options.Metrics as IPEndPoint)?.Address ?? IPAddress.Any, port)
            : null;
        var servers = HttpParts.CreateMetrics(_options, [_options.Metrics, exporter], sources, modelMetrics, rpc, loggers);
        (Main, Exporter) = (servers[0], servers[1]);
        _servers.AddRange(new[] { Main, Exporter }.OfType<RestServer>());
    }

    /// <summary>Listens.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var server in _servers)
            await server.StartAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Takes no more scrapes.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        foreach (var server in _servers)
            await server.StopAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers)
            await server.DisposeAsync().ConfigureAwait(false);
        if (Sampler is not null)
            await Sampler.DisposeAsync().ConfigureAwait(false);
        if (_kafka is not null)
            await _kafka.DisposeAsync().ConfigureAwait(false);
    }

    private List<EndpointStatistics> ListEndpoints() =>
        [.. Endpoints.Snapshot.Endpoints.Values.Select(state => state.Statistics!).OrderBy(statistics => statistics.Key, StringComparer.Ordinal)];

    private List<CanaryFigures> ListCanaries() =>
    [
        .. Endpoints.ArmCounters.OrderBy(arm => (arm.Canary, arm.Endpoint)).Select(arm => new CanaryFigures(
            arm.Canary, arm.Endpoint, arm.Count - arm.FailureCount, arm.FailureCount, arm.Latency)),
    ];
}
