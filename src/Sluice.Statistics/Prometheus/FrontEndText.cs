using System.Runtime.CompilerServices;
using System.Text;
using Sluice.Inference;

namespace Sluice.Statistics.Prometheus;

/// <summary>Writes what the ports have counted.</summary>
internal sealed class FrontEndText
{
    private readonly ConditionalWeakTable<string, LabelSet> _labels = [];

    public void Write(PrometheusWriter writer, IReadOnlyList<FrontEndFigures> ports)
    {
        WriteNumbers(writer, MetricFamilies.ConnectionsOpen, ports, port => port.OpenConnections);
        WriteNumbers(writer, MetricFamilies.ConnectionsTotal, ports, port => port.TotalConnections);
        WriteNumbers(writer, MetricFamilies.CallsActive, ports, port => port.ActiveCalls);
        writer.BeginFamily(MetricFamilies.CallsEnded);
        foreach (var port in ports)
        {
            foreach (var (code, count) in port.EndedCalls)
            {
                writer.BeginSample(MetricFamilies.CallsEnded.Name, "", Labels(port), "code", Encoding.ASCII.GetBytes(code));
                writer.EndSample(count);
            }
        }

        WriteEvents(writer, ports);
        WriteStage(writer, MetricFamilies.ReceiveLatency, ports, stages => stages.Receive);
        WriteStage(writer, MetricFamilies.RespondLatency, ports, stages => stages.Respond);
    }

    private void WriteStage(
        PrometheusWriter writer, MetricFamily family, IReadOnlyList<FrontEndFigures> ports, Func<FrontEndStages, StripedHistogram> read)
    {
        writer.BeginFamily(family);
        foreach (var port in ports)
        {
            if (port.Stages is { } stages)
                HistogramText.Write(writer, family, Labels(port), read(stages).Join());
        }
    }

    private void WriteEvents(PrometheusWriter writer, IReadOnlyList<FrontEndFigures> ports)
    {
        writer.BeginFamily(MetricFamilies.TransportEvents);
        foreach (var port in ports)
        {
            foreach (var (kind, count) in port.TransportEvents)
            {
                writer.BeginSample(MetricFamilies.TransportEvents.Name, "", Labels(port), "kind", Encoding.ASCII.GetBytes(kind));
                writer.EndSample(count);
            }
        }
    }

    private void WriteNumbers(
        PrometheusWriter writer, MetricFamily family, IReadOnlyList<FrontEndFigures> ports, Func<FrontEndFigures, long> read)
    {
        writer.BeginFamily(family);
        foreach (var port in ports)
        {
            writer.BeginSample(family.Name, "", Labels(port));
            writer.EndSample(read(port));
        }
    }

    private LabelSet Labels(FrontEndFigures port) => _labels.GetValue(port.Name, name => LabelSet.Of("front_end", name));
}
