using System.Buffers.Binary;
using System.Numerics;
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
    private double[] _wideRow = [];
    private double[] _values = [];
    private Contributions? _contributions;
    private volatile bool _isTerminated;

    public ValueTask ExecuteAsync(ExecutionBatch batch)
    {
        _isTerminated = false;
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
        // Scores take milliseconds; contributions of many rows may take minutes.
        _isTerminated = true;
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
        for (var i = 0; i < _kindOf.Length; i++)
        {
            if (batch.IsRequested(i) && model.Parameters.Outputs[_kindOf[i]] == ForestOutputKind.Contributions)
                model.CheckContributions(settings, rowCount);
        }

        var rows = Rows(in input);
        var scores = Keep(ref _scores, checked(rowCount * _forest.OutputCount));
        var hasScores = false;
        for (var i = 0; i < _kindOf.Length; i++)
        {
            if (!batch.IsRequested(i))
                continue;
            var kind = model.Parameters.Outputs[_kindOf[i]];
            if (kind is not (ForestOutputKind.Leaf or ForestOutputKind.Contributions) && !hasScores)
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
        switch (input.DataType)
        {
            case DataType.Fp32: Convert(new ReadOnlySpan<float>(input.Data, count), rows, (float)missing); break;
            case DataType.Int32: Convert(new ReadOnlySpan<int>(input.Data, count), rows, missing); break;
            case DataType.Int64: Convert(new ReadOnlySpan<long>(input.Data, count), rows, missing); break;
            default: Convert(new ReadOnlySpan<double>(input.Data, count), rows, missing); break;
        }

        return rows;
    }

    private static void Convert<TFrom>(ReadOnlySpan<TFrom> from, Span<T> to, double missing)
        where TFrom : unmanaged, INumberBase<TFrom>
    {
        for (var i = 0; i < from.Length; i++)
            to[i] = double.CreateTruncating(from[i]) == missing ? T.NaN : T.CreateTruncating(from[i]);
    }

    private void Store(
        ExecutionBatch batch, int output, ForestOutputKind kind, ReadOnlySpan<T> rows, int width, int rowCount, ReadOnlySpan<T> scores)
    {
        var columns = model.Width(kind);
        var type = settings.Outputs[output].DataType;
        if (type == DataType.Bytes)
        {
            StoreTexts(batch, output, kind, rowCount, scores);
            return;
        }

        var labels = model.LabelsOf(kind)?.Numbers;
        var buffer = batch.RentOutput(output, checked(rowCount * columns * type.ElementSize()));
        try
        {
            if (kind == ForestOutputKind.Leaf)
            {
                var leaves = Keep(ref _leaves, rowCount * columns);
                engine.FindLeaves(rows, width, leaves);
                Write(leaves, type, buffer.Pointer);
            }
            else if (kind == ForestOutputKind.Contributions)
            {
                StoreContributions(rows, width, rowCount, type, buffer.Pointer);
            }
            else
            {
                var row = Row();
                for (var i = 0; i < rowCount; i++)
                {
                    scores.Slice(i * _forest.OutputCount, _forest.OutputCount).CopyTo(row);
                    ScoreFinish.Apply(_forest, kind, row.AsSpan(), model.Parameters.Threshold);
                    if (labels is not null)
                        Write<long>([labels[int.CreateTruncating(row[0])]], type, buffer.Pointer + ((long)i * type.ElementSize()));
                    else
                        Write<T>(row.AsSpan(0, columns), type, buffer.Pointer + ((long)i * columns * type.ElementSize()));
                }
            }
        }
        catch
        {
            buffer.Dispose();
            throw;
        }

        batch.SetOutput(output, model.ShapeOf(kind, rowCount), buffer);
    }

    /// <summary>Writes names of classes, each behind its length.</summary>
    private void StoreTexts(ExecutionBatch batch, int output, ForestOutputKind kind, int rowCount, ReadOnlySpan<T> scores)
    {
        var row = Row();
        var classes = Keep(ref _leaves, rowCount);
        var length = 0;
        for (var i = 0; i < rowCount; i++)
        {
            scores.Slice(i * _forest.OutputCount, _forest.OutputCount).CopyTo(row);
            ScoreFinish.Apply(_forest, kind, row.AsSpan(), model.Parameters.Threshold);
            classes[i] = int.CreateTruncating(row[0]);
            length = checked(length + sizeof(int) + model.LabelTexts[classes[i]].Length);
        }

        var buffer = batch.RentOutput(output, length);
        var rest = new Span<byte>(buffer.Pointer, length);
        foreach (var index in classes)
        {
            var text = model.LabelTexts[index];
            BinaryPrimitives.WriteInt32LittleEndian(rest, text.Length);
            text.CopyTo(rest[sizeof(int)..]);
            rest = rest[(sizeof(int) + text.Length)..];
        }

        batch.SetOutput(output, model.ShapeOf(kind, rowCount), buffer);
    }

    private void StoreContributions(ReadOnlySpan<T> rows, int width, int rowCount, DataType type, byte* to)
    {
        _contributions ??= new Contributions(_forest);
        var row = Keep(ref _wideRow, _forest.FeatureCount);
        var values = Keep(ref _values, _contributions.Width);
        for (var i = 0; i < rowCount; i++)
        {
            if (_isTerminated)
                throw new InferenceException(InferenceCode.Cancelled, $"model '{settings.Name}': the execution was broken off");
            engine.Widen(rows.Slice(i * width, width), row);
            _contributions.Find(row, values);
            Write<double>(values, type, to + ((long)i * values.Length * type.ElementSize()));
        }
    }

    private T[] Row()
    {
        if (_row.Length == 0)
            _row = new T[Math.Max(2, _forest.OutputCount)];
        return _row;
    }

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
