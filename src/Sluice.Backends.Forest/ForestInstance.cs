using System.Numerics;
using System.Runtime.InteropServices;
using Sluice.Backends.Forest.Engine;
using Sluice.Backends.Forest.Trees;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.Forest;

/// <summary>Runs batches of rows; its buffers are kept from one to the next.</summary>
/// <typeparam name="T">The arithmetic of the library that made the model.</typeparam>
internal sealed unsafe class ForestInstance<T>(ForestModel model, ForestEngine<T> engine, ModelSettings settings) : IModelInstance
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    // More is given back to the collector after a large batch.
    private const int MostKept = 1 << 20;

    private readonly TreeEnsemble _forest = model.Forest;
    private readonly int[] _kindOf = Kinds(model, settings);
    private T[] _rows = [];
    private T[] _scores = [];
    private T[] _row = [];
    private int[] _leaves = [];

    public ValueTask ExecuteAsync(ExecutionBatch batch)
    {
        try
        {
            Run(batch);
            return ValueTask.CompletedTask;
        }
        catch (InferenceException error)
        {
            return ValueTask.FromException(error);
        }
        catch (Exception error) when (error is TensorPoolExhaustedException or OverflowException)
        {
            return ValueTask.FromException(new InferenceException(
                InferenceCode.ResourceExhausted, $"model '{settings.Name}': {error.Message}", error));
        }
    }

    public void Terminate()
    {
        // A batch of the largest size takes milliseconds.
    }

    public void Dispose()
    {
    }

    private static int[] Kinds(ForestModel model, ModelSettings settings) => [.. settings.Outputs.Select(output =>
        model.Description.Outputs.Select((known, i) => (known.Name, i)).First(known => known.Name == output.Name).i)];

    private void Run(ExecutionBatch batch)
    {
        ref var input = ref batch.Inputs[0];
        var rank = input.Shape.Rank;
        var width = rank > 0 ? checked((int)input.Shape[rank - 1]) : 1;
        var rowCount = rank > 1 ? checked((int)input.Shape[0]) : 1;
        var rows = Rows(in input);
        var scores = Keep(ref _scores, checked(rowCount * _forest.OutputCount));
        var hasScores = false;
        for (var i = 0; i < _kindOf.Length; i++)
        {
            if (!batch.IsRequested(i))
                continue;
            var kind = model.Parameters.Outputs[_kindOf[i]];
            if (kind != ForestOutputKind.Leaf && !hasScores)
            {
                engine.Score(rows, width, scores);
                hasScores = true;
            }

            Store(batch, i, kind, rows, width, rowCount, scores);
        }
    }

    /// <summary>The values as the library would see them.</summary>
    private ReadOnlySpan<T> Rows(in BatchInput input)
    {
        var count = input.ByteLength / input.DataType.ElementSize();
        var isOwn = input.DataType == (typeof(T) == typeof(double) ? DataType.Fp64 : DataType.Fp32);
        var missing = model.Parameters.Missing;
        if (isOwn && double.IsNaN(missing))
            return new ReadOnlySpan<T>(input.Data, count);
        var rows = Keep(ref _rows, count);
        if (input.DataType == DataType.Fp32)
            Convert(new ReadOnlySpan<float>(input.Data, count), rows, (float)missing);
        else
            Convert(new ReadOnlySpan<double>(input.Data, count), rows, missing);
        return rows;
    }

    private static void Convert<TFrom>(ReadOnlySpan<TFrom> from, Span<T> to, TFrom missing)
        where TFrom : unmanaged, IBinaryFloatingPointIeee754<TFrom>
    {
        for (var i = 0; i < from.Length; i++)
            to[i] = from[i] == missing ? T.NaN : T.CreateTruncating(from[i]);
    }

    private void Store(
        ExecutionBatch batch, int output, ForestOutputKind kind, ReadOnlySpan<T> rows, int width, int rowCount, ReadOnlySpan<T> scores)
    {
        var columns = model.Width(kind);
        var type = settings.Outputs[output].DataType;
        var buffer = batch.RentOutput(output, checked(rowCount * columns * type.ElementSize()));
        try
        {
            if (kind == ForestOutputKind.Leaf)
            {
                var leaves = Keep(ref _leaves, rowCount * columns);
                engine.FindLeaves(rows, width, leaves);
                Write(leaves, type, buffer.Pointer);
            }
            else
            {
                var row = Keep(ref _row, Math.Max(2, _forest.OutputCount));
                for (var i = 0; i < rowCount; i++)
                {
                    scores.Slice(i * _forest.OutputCount, _forest.OutputCount).CopyTo(row);
                    Finish(kind, row);
                    Write(row[..columns], type, buffer.Pointer + ((long)i * columns * type.ElementSize()));
                }
            }
        }
        catch
        {
            buffer.Dispose();
            throw;
        }

        batch.SetOutput(output, Shape.Create([rowCount, columns]), buffer);
    }

    /// <summary>Turns the score of one row into what the output holds.</summary>
    private void Finish(ForestOutputKind kind, Span<T> row)
    {
        var scores = row[.._forest.OutputCount];
        if (kind == ForestOutputKind.Margin)
            return;
        if (_forest.AveragesRounds)
        {
            foreach (ref var score in scores)
                score /= T.CreateTruncating(_forest.RoundStarts.Length - 1);
        }

        var transform = _forest.Transform;
        if (transform.Kind == TransformKind.ArgMax && kind == ForestOutputKind.Probability)
            transform = new Transform(TransformKind.Softmax);
        if (typeof(T) == typeof(float))
            transform.Apply(MemoryMarshal.Cast<T, float>(scores));
        else
            transform.Apply(MemoryMarshal.Cast<T, double>(scores));
        if (kind == ForestOutputKind.Probability && scores.Length == 1)
            (row[0], row[1]) = (T.One - row[0], row[0]);
        if (kind == ForestOutputKind.Class && transform.IsProbability)
            row[0] = scores.Length > 1 ? T.CreateTruncating(Transform.ArgMax<T>(scores)) : IsPositive(scores[0]);
    }

    private T IsPositive(T probability) => double.CreateTruncating(probability) > model.Parameters.Threshold ? T.One : T.Zero;

    private static void Write<TFrom>(ReadOnlySpan<TFrom> values, DataType type, byte* to)
        where TFrom : unmanaged, INumberBase<TFrom>
    {
        switch (type)
        {
            case DataType.Fp32: Write(values, (float*)to); break;
            case DataType.Fp64: Write(values, (double*)to); break;
            case DataType.Int32: Write(values, (int*)to); break;
            case DataType.Int64: Write(values, (long*)to); break;
            default: throw new InvalidOperationException($"no output is {type}");
        }
    }

    private static void Write<TFrom, TTo>(ReadOnlySpan<TFrom> values, TTo* to)
        where TFrom : unmanaged, INumberBase<TFrom>
        where TTo : unmanaged, INumberBase<TTo>
    {
        for (var i = 0; i < values.Length; i++)
            to[i] = TTo.CreateTruncating(values[i]);
    }

    private static Span<TItem> Keep<TItem>(ref TItem[] kept, int count)
    {
        if (kept.Length < count || (kept.Length > MostKept && count <= MostKept))
            kept = new TItem[count];
        return kept.AsSpan(0, count);
    }
}
