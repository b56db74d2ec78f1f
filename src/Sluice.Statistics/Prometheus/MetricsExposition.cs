using System.Buffers;
using System.Runtime.CompilerServices;
using Sluice.Inference;

namespace Sluice.Statistics.Prometheus;

/// <summary>Writes all metrics as Prometheus text.</summary>
/// <remarks>
/// <para>Nothing is kept between scrapes but labels: counters are read where the hot path counts.</para>
/// <para><b>Threads.</b> Any number of scrapes at once.</para>
/// </remarks>
/// <param name="sources">Where it reads.</param>
/// <param name="options">What is shown; everything that is shown by default unless given.</param>
public sealed class MetricsExposition(MetricsSources sources, MetricsOptions? options = null)
{
    /// <summary>The content type of what is written.</summary>
    public const string ContentType = "text/plain; charset=utf-8";

    private const long NanosecondsPerMicrosecond = 1000;

    private static readonly (FailureReason Reason, byte[] Text)[] FailureReasons =
    [
        (FailureReason.Rejected, "REJECTED"u8.ToArray()),
        (FailureReason.Canceled, "CANCELED"u8.ToArray()),
        (FailureReason.Backend, "BACKEND"u8.ToArray()),
        (FailureReason.Other, "OTHER"u8.ToArray()),
    ];

    private static readonly (BatchCutReason Reason, byte[] Text)[] CutReasons =
    [
        (BatchCutReason.SizeReached, "size_reached"u8.ToArray()),
        (BatchCutReason.DelayReached, "delay_reached"u8.ToArray()),
        (BatchCutReason.ShapeChanged, "shape_changed"u8.ToArray()),
        (BatchCutReason.WouldOverflow, "would_overflow"u8.ToArray()),
        (BatchCutReason.InstanceFree, "instance_free"u8.ToArray()),
    ];

    private static readonly (RefusalReason Reason, byte[] Text)[] RefusalReasons =
    [
        (RefusalReason.QueueFull, "queue_full"u8.ToArray()),
        (RefusalReason.QueueTimeout, "queue_timeout"u8.ToArray()),
        (RefusalReason.DeadlineTooSoon, "deadline_too_soon"u8.ToArray()),
        (RefusalReason.Overload, "overload"u8.ToArray()),
    ];

    private readonly MetricsOptions _options = options ?? new MetricsOptions();
    private readonly SummaryText _summaries = new((options ?? new MetricsOptions()).Quantiles);
    private readonly FrontEndText _frontEnds = new();
    private readonly EndpointText _endpoints = new();
    private readonly MachineText _machine = new(new MachineFigures(new KernelFiles()), (options ?? new MetricsOptions()).Interval, TimeProvider.System);

    // Labels live as long as the settings they were made from.
    private readonly ConditionalWeakTable<ModelSettings, LabelSet> _labels = [];

    /// <summary>Writes one scrape.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var writer = new PrometheusWriter(output);
        sources.Sampler?.Drain();
        var served = sources.Models().ToArray();
        var pool = sources.Pool;
        var series = served.Select(model => (Labels: _labels.GetValue(model.Settings, LabelSet.Of), model.Statistics)).ToArray();
        WriteCounters(writer, series, _options.HasCounters);
        var cached = series.Where((_, i) => served[i].HasCache).ToArray();
        CacheText.Write(writer, cached, _options.HasSummaries ? _summaries : null, _options.HasCounters);
        if (_options.ShowsMachine)
            _machine.Write(writer);
        WriteHistograms(writer, served, series);
        if (_options.HasSummaries)
            WriteSummaries(writer, series, [.. series.Where((_, i) => !served[i].HasCache)]);
        if (_options.HasHistograms)
            WriteFirstResponses(writer, served);
        WriteCuts(writer, series);
        WriteSequences(writer, MetricFamilies.Sequences, served, sequences => sequences.UnderWay);
        WriteSequences(writer, MetricFamilies.SequencesWaiting, served, sequences => sequences.Waiting);
        WriteGauge(writer, MetricFamilies.PoolRented, pool.RentedBytes);
        WriteGauge(writer, MetricFamilies.PoolPooled, pool.PooledBytes);
        WriteGauge(writer, MetricFamilies.PoolRefused, pool.RefusedCount);
        WriteGauge(writer, MetricFamilies.PinnedTotal, pool.MaxBytes);
        WriteGauge(writer, MetricFamilies.PinnedUsed, pool.RentedBytes);
        WriteGauge(writer, MetricFamilies.QueueDepth, series.Sum(model => model.Statistics.PendingCount));
        WriteHanging(writer, served);
        _frontEnds.Write(writer, sources.Ports());
        WriteGauge(writer, MetricFamilies.ManagedAllocated, GC.GetTotalAllocatedBytes());
        WriteGauge(writer, MetricFamilies.TracesDropped, sources.DroppedTraces());
        var endpoints = sources.Endpoints();
        _endpoints.Write(writer, endpoints);
        EndpointText.Write(writer, sources.Canaries());
        EndpointText.Write(writer, sources.Sampler);
        EndpointText.Write(writer, sources.Kafka());
        var history = sources.History();
        WriteGauge(writer, MetricFamilies.HistoryPoints, history.PointCount);
        WriteGauge(writer, MetricFamilies.HistoryBytes, history.ByteCount);
        WriteGauge(writer, MetricFamilies.HistoryDropped, history.DroppedCount);
        sources.Sampler?.Write(writer, endpoints.Select(endpoint => endpoint.Key));
    }

    private void WriteFirstResponses(PrometheusWriter writer, IServable[] served)
    {
        writer.BeginFamily(MetricFamilies.FirstResponse);
        foreach (var model in served.Where(model => model.Settings.IsDecoupled))
        {
            HistogramText.WriteFirstResponse(
                writer, _labels.GetValue(model.Settings, LabelSet.Of), model.Statistics.FirstResponseLatency, model.Settings);
        }
    }

    private void WriteHanging(PrometheusWriter writer, IServable[] served)
    {
        writer.BeginFamily(MetricFamilies.Hanging);
        foreach (var model in served)
        {
            writer.BeginSample(MetricFamilies.Hanging.Name, "", _labels.GetValue(model.Settings, LabelSet.Of));
            writer.EndSample(model.HangingCount);
        }
    }

    private void WriteSequences(PrometheusWriter writer, MetricFamily family, IServable[] served, Func<SequenceFigures, int> read)
    {
        writer.BeginFamily(family);
        foreach (var model in served)
        {
            if (model.Sequences is not { } sequences)
                continue;
            writer.BeginSample(family.Name, "", _labels.GetValue(model.Settings, LabelSet.Of));
            writer.EndSample(read(sequences));
        }
    }

    /// <summary>As in the original, a model whose answers may come from the cache has no summary of whole requests.</summary>
    private void WriteSummaries(
        PrometheusWriter writer, (LabelSet Labels, ModelStatistics Statistics)[] series,
        (LabelSet Labels, ModelStatistics Statistics)[] uncached)
    {
        WriteSummary(writer, MetricFamilies.RequestSummary, uncached, model => model.RequestLatency);
        WriteSummary(writer, MetricFamilies.QueueSummary, series, model => model.QueueLatency);
        WriteSummary(writer, MetricFamilies.InputSummary, series, model => model.Stages?.Input);
        WriteSummary(writer, MetricFamilies.InferSummary, series, model => model.Stages?.Infer);
        WriteSummary(writer, MetricFamilies.OutputSummary, series, model => model.Stages?.Output);
    }

    private void WriteSummary(
        PrometheusWriter writer, MetricFamily family, (LabelSet Labels, ModelStatistics Statistics)[] series,
        Func<ModelStatistics, LatencyHistogram?> read)
    {
        writer.BeginFamily(family);
        foreach (var (labels, statistics) in series)
        {
            if (read(statistics) is { } histogram)
                _summaries.Write(writer, family, labels, histogram);
        }
    }

    private static void WriteCounters(
        PrometheusWriter writer, (LabelSet Labels, ModelStatistics Statistics)[] series, bool hasTimes)
    {
        WriteNumbers(writer, MetricFamilies.RequestSuccess, series, model => model.Success.Count);
        writer.BeginFamily(MetricFamilies.RequestFailure);
        foreach (var (labels, statistics) in series)
        {
            foreach (var (reason, text) in FailureReasons)
            {
                writer.BeginSample(MetricFamilies.RequestFailure.Name, "", labels, "reason", text);
                writer.EndSample(statistics.FailureCount(reason));
            }
        }

        WriteNumbers(writer, MetricFamilies.InferenceCount, series, model => model.InferenceCount);
        WriteNumbers(writer, MetricFamilies.ExecutionCount, series, model => model.ExecutionCount);
        if (hasTimes)
            WriteTimes(writer, series);
        WriteNumbers(writer, MetricFamilies.PendingCount, series, model => model.PendingCount);
        writer.BeginFamily(MetricFamilies.LoadDuration);
        foreach (var (labels, statistics) in series)
        {
            writer.BeginSample(MetricFamilies.LoadDuration.Name, "", labels);
            writer.EndSample(statistics.LoadDuration.TotalSeconds);
        }
    }

    private static void WriteTimes(PrometheusWriter writer, (LabelSet Labels, ModelStatistics Statistics)[] series)
    {
        WriteNumbers(writer, MetricFamilies.RequestDuration, series, model => Microseconds(model.Success));
        WriteNumbers(writer, MetricFamilies.QueueDuration, series, model => Microseconds(model.Queue));
        WriteNumbers(writer, MetricFamilies.InputDuration, series, model => Microseconds(model.ComputeInput));
        WriteNumbers(writer, MetricFamilies.InferDuration, series, model => Microseconds(model.ComputeInfer));
        WriteNumbers(writer, MetricFamilies.OutputDuration, series, model => Microseconds(model.ComputeOutput));
    }

    private static void WriteHistograms(PrometheusWriter writer, IServable[] served, (LabelSet Labels, ModelStatistics Statistics)[] series)
    {
        WriteHistogram(writer, MetricFamilies.RequestLatency, served, series, model => model.RequestLatency);
        WriteHistogram(writer, MetricFamilies.QueueLatency, served, series, model => model.QueueLatency);
        WriteHistogram(writer, MetricFamilies.BatchWaitLatency, served, series, model => model.BatchWaitLatency);
        WriteHistogram(writer, MetricFamilies.InferLatency, served, series, model => model.InferLatency);
        writer.BeginFamily(MetricFamilies.BatchRows);
        foreach (var (labels, statistics) in series)
            BatchRowsText.Write(writer, labels, statistics);
    }

    private static void WriteHistogram(
        PrometheusWriter writer, MetricFamily family, IServable[] served, (LabelSet Labels, ModelStatistics Statistics)[] series,
        Func<ModelStatistics, LatencyHistogram?> read)
    {
        writer.BeginFamily(family);
        for (var i = 0; i < served.Length; i++)
        {
            if (read(series[i].Statistics) is { } histogram)
                HistogramText.Write(writer, family, series[i].Labels, histogram, served[i].Settings);
        }
    }

    private static void WriteCuts(PrometheusWriter writer, (LabelSet Labels, ModelStatistics Statistics)[] series)
    {
        writer.BeginFamily(MetricFamilies.BatchCuts);
        foreach (var (labels, statistics) in series)
        {
            foreach (var (reason, text) in CutReasons)
            {
                writer.BeginSample(MetricFamilies.BatchCuts.Name, "", labels, "reason", text);
                writer.EndSample(statistics.CutCount(reason));
            }
        }

        writer.BeginFamily(MetricFamilies.Refused);
        foreach (var (labels, statistics) in series)
        {
            foreach (var (reason, text) in RefusalReasons)
            {
                writer.BeginSample(MetricFamilies.Refused.Name, "", labels, "reason", text);
                writer.EndSample(statistics.RefusalCount(reason));
            }
        }

        writer.BeginFamily(MetricFamilies.Cancelled);
        foreach (var (labels, statistics) in series)
        {
            var late = statistics.LateCount;
            writer.BeginSample(MetricFamilies.Cancelled.Name, "", labels, "reason", "caller"u8);
            writer.EndSample(Math.Max(0, statistics.FailureCount(FailureReason.Canceled) - late));
            writer.BeginSample(MetricFamilies.Cancelled.Name, "", labels, "reason", "deadline"u8);
            writer.EndSample(late);
        }
    }

    private static void WriteNumbers(
        PrometheusWriter writer, MetricFamily family, (LabelSet Labels, ModelStatistics Statistics)[] series,
        Func<ModelStatistics, long> read)
    {
        writer.BeginFamily(family);
        foreach (var (labels, statistics) in series)
        {
            writer.BeginSample(family.Name, "", labels);
            writer.EndSample(read(statistics));
        }
    }

    private static void WriteGauge(PrometheusWriter writer, MetricFamily family, long value)
    {
        writer.BeginFamily(family);
        writer.BeginSample(family.Name, "", LabelSet.Empty);
        writer.EndSample(value);
    }

    private static long Microseconds(DurationTotal total) => total.Nanoseconds / NanosecondsPerMicrosecond;
}
