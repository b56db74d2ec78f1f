using System.Buffers.Binary;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Scheduling.Dynamic;
using Sluice.Tensors;

namespace Sluice.Scheduling.Loading;

/// <summary>Runs a freshly loaded model on sample rows: it is warm when it becomes ready, its run time is known, and a model
/// whose rows depend on each other is noticed before clients get wrong answers.</summary>
/// <remarks>A model that refuses the samples is left as it is; statistics start from zero afterwards.</remarks>
internal sealed class ModelWarmUp(DynamicBatcher scheduler, ILogger logger)
{
    private const int MostRuns = 64;
    private const double Tolerance = 1e-3;
    private static readonly TimeSpan Budget = TimeSpan.FromMilliseconds(50);

    private readonly SampleRows _samples = new(scheduler.Settings);

    // Rows of one request are not what such a model makes its answer from.
    private readonly bool _isRagged = scheduler.Settings.Inputs.Any(input => input.AllowRaggedBatch);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var started = scheduler.Now;
        var request = new InferRequest();
        for (var i = 0; i < MostRuns && Stopwatch.GetElapsedTime(started, scheduler.Now) < Budget; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var isServed = await TryRunAsync(request, firstRow: i % 2, rowCount: 1).ConfigureAwait(false);
            request.Reset();
            if (!isServed)
                break;
        }

        if (scheduler.CanBatch && !_isRagged && Stopwatch.GetElapsedTime(started, scheduler.Now) < Budget * 10)
            await CheckBatchAsync().ConfigureAwait(false);
        scheduler.ForgetWarmUp();
    }

    /// <summary>Compares two rows in one batch with the same two rows alone.</summary>
    private async Task CheckBatchAsync()
    {
        var (both, first, second) = (new InferRequest(), new InferRequest(), new InferRequest());
        if (await TryRunAsync(both, 0, 2).ConfigureAwait(false) &&
            await TryRunAsync(first, 0, 1).ConfigureAwait(false) &&
            await TryRunAsync(second, 1, 1).ConfigureAwait(false))
        {
            for (var i = 0; i < both.OutputCount; i++)
                CheckOutput(both.Outputs[i], first.Outputs[i], second.Outputs[i]);
        }

        both.Reset();
        first.Reset();
        second.Reset();
    }

    private void CheckOutput(in OutputTensor both, in OutputTensor first, in OutputTensor second)
    {
        byte[] alone = [.. first.Data, .. second.Data];
        var difference = both.Data.Length == alone.Length
            ? Difference(both.Data, alone, both.DataType)
            : double.PositiveInfinity;
        if (difference > 0)
            SchedulingLog.BatchUnsafe(
                logger, scheduler.Settings.Name, scheduler.Settings.Outputs[both.Index].Name, difference);
    }

    /// <summary>Returns the largest difference past the tolerance; 0 when there is none.</summary>
    private static double Difference(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, DataType type)
    {
        if (type is not (DataType.Fp32 or DataType.Fp64 or DataType.Fp16))
            return type is DataType.Bf16 || left.SequenceEqual(right) ? 0 : 1;
        var largest = 0.0;
        var size = type.ElementSize();
        for (var i = 0; i < left.Length; i += size)
        {
            var (a, b) = (Value(left[i..], type), Value(right[i..], type));
            var difference = Math.Abs(a - b);
            if (difference > Tolerance * (1 + Math.Abs(b)))
                largest = Math.Max(largest, difference);
        }

        return largest;
    }

    private static double Value(ReadOnlySpan<byte> data, DataType type) => type switch
    {
        DataType.Fp32 => BinaryPrimitives.ReadSingleLittleEndian(data),
        DataType.Fp64 => BinaryPrimitives.ReadDoubleLittleEndian(data),
        _ => (double)BinaryPrimitives.ReadHalfLittleEndian(data),
    };

    private async Task<bool> TryRunAsync(InferRequest request, int firstRow, int rowCount)
    {
        try
        {
            _samples.Fill(request, firstRow, rowCount);
        }
        catch (InferenceException)
        {
            // The samples do not fit the model; it gets its first run from its first client.
            return false;
        }

        await scheduler.ExecuteAsync(request).ConfigureAwait(false);
        return request.IsOk;
    }
}
