using System.Globalization;
using Sluice.Inference;
using Sluice.Protocol.Inference;

namespace Sluice.Server.Services;

/// <summary>Puts a model's counters into the message of the statistics extension (spec §4).</summary>
internal static class StatisticsMessage
{
    public static Protocol.Inference.ModelStatistics From(IServable servable)
    {
        var statistics = servable.Statistics;
        var message = new Protocol.Inference.ModelStatistics
        {
            Name = servable.Settings.Name,
            Version = servable.Settings.Version,
            LastInference = (ulong)statistics.LastInferenceMilliseconds,
            InferenceCount = (ulong)statistics.InferenceCount,
            ExecutionCount = (ulong)statistics.ExecutionCount,
            InferenceStats = new InferStatistics
            {
                Success = Duration(statistics.Success),
                Fail = Duration(statistics.Failure),
                Queue = Duration(statistics.Queue),
                ComputeInput = Duration(statistics.ComputeInput),
                ComputeInfer = Duration(statistics.ComputeInfer),
                ComputeOutput = Duration(statistics.ComputeOutput),
                CacheHit = Duration(statistics.CacheHit),
                CacheMiss = Duration(statistics.CacheMiss),
            },
        };
        for (var rows = 1; rows <= statistics.LargestBatch; rows++)
        {
            var (count, input, infer, output) = statistics.Batch(rows);
            if (count == 0)
                continue;
            message.BatchStats.Add(new InferBatchStatistics
            {
                BatchSize = (ulong)rows,
                ComputeInput = Duration(new DurationTotal(count, input)),
                ComputeInfer = Duration(new DurationTotal(count, infer)),
                ComputeOutput = Duration(new DurationTotal(count, output)),
            });
        }

        AddResponses(message, statistics.Responses);
        return message;
    }

    private static void AddResponses(Protocol.Inference.ModelStatistics message, ResponseStatistics responses)
    {
        for (var i = 0; i < responses.Count; i++)
        {
            var totals = responses[i];
            message.ResponseStats[i.ToString(CultureInfo.InvariantCulture)] = new InferResponseStatistics
            {
                ComputeInfer = Duration(totals.ComputeInfer),
                ComputeOutput = Duration(totals.ComputeOutput),
                Success = Duration(totals.Success),
                Fail = Duration(totals.Failure),
                EmptyResponse = Duration(totals.Empty),
                Cancel = Duration(totals.Cancelled),
            };
        }
    }

    private static StatisticDuration Duration(DurationTotal total) =>
        new() { Count = (ulong)total.Count, Ns = (ulong)total.Nanoseconds };
}
