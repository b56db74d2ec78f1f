using System.Buffers;
using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Engine;

/// <summary>What all engines have in common.</summary>
internal static class ForestEngine
{
    /// <summary>Most rows that go through the trees together.</summary>
    public const int BlockRows = 64;

    /// <summary>Fewest rows of a full block, where rows are wide.</summary>
    public const int LeastBlockRows = 16;
}

/// <summary>Scores rows with the layout that is fastest for the forest on this machine.</summary>
/// <typeparam name="T">The arithmetic of the library that made the model: float for XGBoost, double for LightGBM.</typeparam>
/// <remarks><b>Threads.</b> Any number of callers.</remarks>
internal sealed unsafe class ForestEngine<T>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    // Values; more of them are put on the heap.
    private const int OnStack = 4096;
    private const int SampleRows = 64;

    // What a thread has to have to do, in rows and in rows times trees: some ten times what it costs to wake it.
    private const int LeastPartRows = 256;
    private const int LeastPartWork = 1 << 17;
    private const int MeasuredTurns = 8;
    private static readonly long CalibrationTicks = Stopwatch.Frequency / 500;

    private readonly TreeEnsemble _forest;
    private readonly ColumnSet _columns;
    private readonly T[] _leafValues;
    private readonly T[] _base;
    private readonly int[] _outputs;
    private readonly int[] _firstLeaves;
    private readonly int _blockRows;
    private readonly int _threads;
    private readonly bool _hasPlainLeaves;
    private readonly T[]? _leafVectors;

    /// <summary>Lays the forest out.</summary>
    /// <param name="forest">Trees, or a linear booster.</param>
    /// <param name="kernel">Part of a layout's name to use it and no other, for tests; null = the fastest.</param>
    /// <param name="threads">Most threads that share a batch of many rows; small ones stay on the caller's.</param>
    /// <exception cref="ArgumentException">No layout of that name can take the forest.</exception>
    public ForestEngine(TreeEnsemble forest, string? kernel = null, int threads = 1)
    {
        _forest = forest;
        _threads = threads;
        _columns = new ColumnSet(forest);
        _base = Array.ConvertAll(forest.BaseMargin, T.CreateTruncating);
        _outputs = Array.ConvertAll(forest.Trees, tree => tree.Output);
        var isSum = forest.Aggregation is Aggregation.Sum or Aggregation.Average && !forest.HasGaps;
        _hasPlainLeaves = isSum && Array.TrueForAll(forest.Trees, tree => tree.LeafWidth == 1 && tree.LinearLeaves is null);
        _blockRows = Math.Clamp(OnStack / Math.Max(1, _columns.Count), ForestEngine.LeastBlockRows, ForestEngine.BlockRows);
        _firstLeaves = new int[forest.Trees.Length];
        for (var i = 1; i < _firstLeaves.Length; i++)
            _firstLeaves[i] = _firstLeaves[i - 1] + forest.Trees[i - 1].LeafCount;
        Kernel = Choose(kernel);
        var weighted = _hasPlainLeaves ? forest.Trees.SelectMany(Weighted).ToArray() : [];
        _leafValues = _hasPlainLeaves ? Array.ConvertAll(Kernel.Leaves, leaf => weighted[leaf]) : [];
        if (isSum && !_hasPlainLeaves && Array.TrueForAll(forest.Trees, tree => tree.LeafWidth == _base.Length && tree.LinearLeaves is null))
            _leafVectors = [.. forest.Trees.SelectMany(Weighted)];
    }

    /// <summary>The chosen layout.</summary>
    public IForestKernel<T> Kernel { get; }

    /// <summary>What calibration measured for a row of a batch, µs, by layout; empty when there was no choice.</summary>
    public IReadOnlyList<(string Name, double Microseconds)> Calibration { get; private set; } = [];

    /// <summary>Adds up the untransformed scores.</summary>
    /// <param name="rows">Row by row, NaN where a value is missing.</param>
    /// <param name="width">Values per row; features past it are missing.</param>
    /// <param name="scores">Row by row, one per output; overwritten.</param>
    public void Score(ReadOnlySpan<T> rows, int width, Span<T> scores)
    {
        var rowCount = scores.Length / _base.Length;
        var parts = _threads == 1 ? 1 : Math.Min(_threads, Math.Min(rowCount / LeastPartRows, (int)Math.Min(_threads, (long)rowCount * _forest.Trees.Length / LeastPartWork)));
        if (parts <= 1)
            ScorePart(rows, width, scores);
        else
            ScoreParts(rows, width, scores, parts);
    }

    /// <summary>Shares the rows among threads; each row is added up by one of them, so that results stay the same.</summary>
    private void ScoreParts(ReadOnlySpan<T> rows, int width, Span<T> scores, int parts)
    {
        var (outputs, rowCount) = (_base.Length, scores.Length / _base.Length);
        var partRows = ((rowCount / parts) + _blockRows) / _blockRows * _blockRows;
        fixed (T* from = rows, to = scores)
        {
            var (first, sums) = ((nint)from, (nint)to);
            Parallel.For(0, (rowCount + partRows - 1) / partRows, new ParallelOptions { MaxDegreeOfParallelism = parts }, part =>
            {
                var start = part * partRows;
                var count = Math.Min(partRows, rowCount - start);
                ScorePart(
                    new ReadOnlySpan<T>((T*)first + ((long)start * width), count * width), width,
                    new Span<T>((T*)sums + ((long)start * outputs), count * outputs));
            });
        }
    }

    private void ScorePart(ReadOnlySpan<T> rows, int width, Span<T> scores)
    {
        var outputs = _base.Length;
        var rowCount = scores.Length / outputs;
        for (var row = 0; row < rowCount; row++)
            _base.CopyTo(scores[(row * outputs)..]);
        if (_forest.Linear is { } linear)
            ScoreLinear(linear, rows, width, scores);
        else if (_hasPlainLeaves)
            ScorePlain(rows, width, scores);
        else if (_leafVectors is not null)
            ScoreVectors(rows, width, scores);
        else
            ScoreOther(rows, width, scores);
    }

    /// <summary>Finds the leaf of each row in each tree, in the library's own numbers.</summary>
    /// <param name="rows">As for <see cref="Score"/>.</param>
    /// <param name="width">Values per row.</param>
    /// <param name="leaves">Row by row, one per tree.</param>
    public void FindLeaves(ReadOnlySpan<T> rows, int width, Span<int> leaves)
    {
        FindLeafIndexes(rows, width, leaves);
        for (var i = 0; i < leaves.Length; i++)
        {
            var ids = _forest.Trees[i % _forest.Trees.Length].LeafIds;
            leaves[i] = ids?[leaves[i]] ?? leaves[i];
        }
    }

    private static IEnumerable<T> Weighted(ForestTree tree) => tree.LeafValues.Select(
        value => tree.Weight is { } weight ? T.CreateTruncating((float)value * weight) : T.CreateTruncating(value));

    private void FindLeafIndexes(ReadOnlySpan<T> rows, int width, Span<int> leaves)
    {
        var trees = _forest.Trees.Length;
        fixed (int* found = leaves, first = _firstLeaves, leafAt = Kernel.Leaves)
        {
            var sink = new LeafSink { Leaves = found, TreeCount = trees, FirstLeaves = first, LeafAt = leafAt };
            for (var row = 0; row < leaves.Length / Math.Max(1, trees); row += _blockRows)
            {
                var count = Math.Min(_blockRows, (leaves.Length / trees) - row);
                sink.Leaves = found + (row * trees);
                RunBlock(rows, width, row, count, ref sink);
            }
        }
    }

    private void ScorePlain(ReadOnlySpan<T> rows, int width, Span<T> scores)
    {
        var outputs = _base.Length;
        fixed (T* sums = scores, values = _leafValues)
        fixed (int* outputOf = _outputs)
        {
            for (var row = 0; row < scores.Length / outputs; row += _blockRows)
            {
                var count = Math.Min(_blockRows, (scores.Length / outputs) - row);
                if (outputs == 1)
                {
                    var single = new SingleSum<T> { Values = values, Sums = sums + row };
                    RunBlock(rows, width, row, count, ref single);
                    continue;
                }

                var several = new SeveralSums<T> { Values = values, Sums = sums + (row * outputs), Width = outputs, OutputOf = outputOf };
                RunBlock(rows, width, row, count, ref several);
            }
        }
    }

    private void RunBlock<TSink>(ReadOnlySpan<T> rows, int width, int row, int count, ref TSink sink)
        where TSink : struct, ILeafSink
    {
        if (_columns.AreRows(width))
        {
            var block = rows.Slice(row * width, count * width);
            fixed (T* values = block)
                Kernel.Run(values, count, ColumnSet.IsAnyMissing(block), ref sink);
            return;
        }

        FillBlock(rows, width, row, count, ref sink);
    }

    [SkipLocalsInit]
    private void FillBlock<TSink>(ReadOnlySpan<T> rows, int width, int row, int count, ref TSink sink)
        where TSink : struct, ILeafSink
    {
        var length = count * _columns.Count;
        var columns = length <= OnStack ? stackalloc T[length] : new T[length];
        var hasMissing = false;
        for (var i = 0; i < count; i++)
            hasMissing |= _columns.Fill(rows.Slice((row + i) * width, width), columns.Slice(i * _columns.Count, _columns.Count));
        fixed (T* values = columns)
            Kernel.Run(values, count, hasMissing, ref sink);
    }

    private void ScoreVectors(ReadOnlySpan<T> rows, int width, Span<T> scores)
    {
        var outputs = _base.Length;
        fixed (T* sums = scores, vectors = _leafVectors)
        fixed (int* leafAt = Kernel.Leaves)
        {
            for (var row = 0; row < scores.Length / outputs; row += _blockRows)
            {
                var count = Math.Min(_blockRows, (scores.Length / outputs) - row);
                var sink = new VectorSums<T> { Vectors = vectors, LeafAt = leafAt, Sums = sums + (row * outputs), Width = outputs };
                RunBlock(rows, width, row, count, ref sink);
            }
        }
    }

    /// <summary>Linear models in leaves, smallest and largest leaves, leaves with gaps.</summary>
    private void ScoreOther(ReadOnlySpan<T> rows, int width, Span<T> scores)
    {
        var (outputs, trees) = (_base.Length, _forest.Trees.Length);
        var leaves = ArrayPool<int>.Shared.Rent(_blockRows * trees);
        var values = ArrayPool<double>.Shared.Rent(_forest.FeatureCount);
        var rowCount = scores.Length / outputs;
        for (var first = 0; first < rowCount; first += _blockRows)
        {
            var count = Math.Min(_blockRows, rowCount - first);
            var block = leaves.AsSpan(0, count * trees);
            FindLeafIndexes(rows.Slice(first * width, count * width), width, block);
            for (var row = 0; row < count; row++)
            {
                var wide = values.AsSpan(0, _forest.FeatureCount);
                Widen(rows.Slice((first + row) * width, width), wide);
                AddOther(block.Slice(row * trees, trees), wide, scores.Slice((first + row) * outputs, outputs));
            }
        }

        ArrayPool<int>.Shared.Return(leaves);
        ArrayPool<double>.Shared.Return(values);
    }

    /// <summary>Makes a row as wide as the model, with NaN for all that is missing.</summary>
    public void Widen(ReadOnlySpan<T> row, Span<double> values)
    {
        values.Fill(double.NaN);
        for (var i = 0; i < Math.Min(row.Length, values.Length); i++)
            values[i] = double.CreateTruncating(row[i]);
        ReferenceEvaluator.Normalise(_forest, values);
    }

    private void AddOther(ReadOnlySpan<int> leaves, ReadOnlySpan<double> row, Span<T> score)
    {
        if (_forest.HasGaps)
            score.Fill(T.NaN);
        for (var i = 0; i < leaves.Length; i++)
        {
            var tree = _forest.Trees[i];
            for (var j = 0; j < tree.LeafWidth; j++)
            {
                ref var sum = ref score[tree.LeafWidth == 1 ? tree.Output : j];
                var value = T.CreateTruncating(ReferenceEvaluator.LeafValue(tree, leaves[i], j, row)) * T.CreateTruncating(tree.Weight ?? 1f);
                sum = _forest.Aggregate(sum, value);
            }
        }
    }

    private void ScoreLinear(LinearBooster linear, ReadOnlySpan<T> rows, int width, Span<T> scores)
    {
        var outputs = _base.Length;
        var values = new double[_forest.FeatureCount];
        var sums = new double[outputs];
        for (var row = 0; row < scores.Length / outputs; row++)
        {
            Widen(rows.Slice(row * width, width), values);
            Array.Copy(_forest.BaseMargin, sums, outputs);
            ReferenceEvaluator.Score(linear, values, sums);
            for (var i = 0; i < outputs; i++)
                scores[(row * outputs) + i] = T.CreateTruncating(sums[i]);
        }
    }

    private IForestKernel<T> Choose(string? wanted)
    {
        var kernels = Candidates(wanted is not null).Where(kernel => wanted is null || kernel.Name.Contains(wanted, StringComparison.Ordinal)).ToArray();
        if (kernels.Length == 0)
            throw new ArgumentException($"no layout named '{wanted}' takes this forest on this machine");
        if (kernels.Length == 1)
            return kernels[0];
        var times = Array.ConvertAll(kernels, Measure);
        Calibration = [.. kernels.Zip(times, (kernel, time) => (kernel.Name, time))];
        return kernels[Array.IndexOf(times, times.Min())];
    }

    /// <summary>Makes the layouts. Words are worth their while only where bytes cannot be, but for tests.</summary>
    private IEnumerable<IForestKernel<T>> Candidates(bool all)
    {
        yield return new WalkKernel<T>(_forest, _columns);
        var bytes = TryPermute<byte>();
        if (bytes is not null)
            yield return bytes;
        if ((bytes is null || all) && TryPermute<ushort>() is { } words)
            yield return words;
    }

    /// <summary>Null where the machine lacks the instructions or the forest has too many thresholds.</summary>
    private PermuteKernel<T, TRank>? TryPermute<TRank>()
        where TRank : unmanaged, IBinaryInteger<TRank>
    {
        var lanes = RankTable<T>.CountLanes(_columns, PermuteKernel<T, TRank>.MaxRank);
        if (!PermuteKernel<T, TRank>.IsSupported || lanes == 0 || lanes > PermuteKernel<T, TRank>.MaxLanes || _forest.Trees.Length > HeapForest<TRank>.MaxTrees)
            return null;
        var ranks = new RankTable<T>(_columns, PermuteKernel<T, TRank>.MaxRank);
        var heap = new HeapForest<TRank>(_forest, (tree, node) => ranks.Find(_columns.Of(tree, node), ColumnSet.ThresholdOf(tree, node)));
        return new PermuteKernel<T, TRank>(heap, ranks, _columns.Count);
    }

    /// <summary>µs per row, the best of some turns over rows that lie around the thresholds.</summary>
    private double Measure(IForestKernel<T> kernel)
    {
        var random = new Random(1);
        var columns = new T[SampleRows * _columns.Count];
        for (var i = 0; i < columns.Length; i++)
        {
            var thresholds = _columns.Thresholds(i % _columns.Count);
            columns[i] = T.CreateTruncating(thresholds[random.Next(thresholds.Length)]);
        }

        var sums = new T[SampleRows];
        var best = long.MaxValue;
        var until = Stopwatch.GetTimestamp() + CalibrationTicks;
        fixed (T* values = columns, total = sums, leaves = new T[kernel.Leaves.Length])
        {
            var sink = new SingleSum<T> { Values = leaves, Sums = total };
            kernel.Run(values, ForestEngine.BlockRows, hasMissing: false, ref sink);
            for (var turn = 0; turn < MeasuredTurns || Stopwatch.GetTimestamp() < until; turn++)
            {
                var start = Stopwatch.GetTimestamp();
                for (var row = 0; row < SampleRows; row += ForestEngine.BlockRows)
                    kernel.Run(values + (row * _columns.Count), ForestEngine.BlockRows, hasMissing: false, ref sink);
                best = Math.Min(best, Stopwatch.GetTimestamp() - start);
            }
        }

        return best * 1e6 / Stopwatch.Frequency / SampleRows;
    }
}
