using System.Globalization;
using System.Text;
using Sluice.Inference;

namespace Sluice.Statistics.Prometheus;

/// <summary>Writes how many rows executions had, in buckets of powers of two up to the model's largest batch.</summary>
internal static class BatchRowsText
{
    private static readonly byte[][] Bounds =
        [.. Enumerable.Range(0, 13).Select(power => Encoding.ASCII.GetBytes((1 << power).ToString(CultureInfo.InvariantCulture)))];

    public static void Write(PrometheusWriter writer, LabelSet labels, ModelStatistics statistics)
    {
        var name = MetricFamilies.BatchRows.Name;
        var largest = statistics.LargestBatch;
        long count = 0, sum = 0;
        var row = 0;
        for (var power = 0; power < Bounds.Length && 1 << power <= largest; power++)
        {
            for (; row <= 1 << power; row++)
                Add(row);
            writer.BeginSample(name, "_bucket", labels, "le", Bounds[power]);
            writer.EndSample(count);
        }

        for (; row <= largest; row++)
            Add(row);
        writer.BeginSample(name, "_bucket", labels, "le", "+Inf"u8);
        writer.EndSample(count);
        writer.BeginSample(name, "_sum", labels);
        writer.EndSample(sum);
        writer.BeginSample(name, "_count", labels);
        writer.EndSample(count);

        void Add(int rows)
        {
            var executions = statistics.Batch(rows).Count;
            count += executions;
            sum += executions * rows;
        }
    }
}
