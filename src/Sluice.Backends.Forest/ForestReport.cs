using System.Diagnostics;
using System.Numerics;
using Sluice.Backends.Forest.Engine;
using Sluice.Backends.Forest.Formats;
using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest;

/// <summary>What a model file holds and what it costs on this machine, for people who ask before they serve it.</summary>
public sealed record ForestReport
{
    private const int BatchRows = 4096;
    private const int MostValues = 1 << 24;
    private const int Turns = 9;

    /// <summary>Format, or library and version.</summary>
    public required string Source { get; init; }

    /// <summary>The objective's name in the file; may be empty.</summary>
    public required string Objective { get; init; }

    /// <summary>Number of trees; 0 for a linear booster.</summary>
    public required int TreeCount { get; init; }

    /// <summary>Boosting rounds.</summary>
    public required int RoundCount { get; init; }

    /// <summary>Inner nodes on the longest path.</summary>
    public required int MaxDepth { get; init; }

    /// <summary>Inner nodes on each tree's longest path, the mean of the trees.</summary>
    public required double MeanDepth { get; init; }

    /// <summary>Leaves of all trees.</summary>
    public required int LeafCount { get; init; }

    /// <summary>Columns of a row.</summary>
    public required int FeatureCount { get; init; }

    /// <summary>Columns that a node tests.</summary>
    public required int UsedFeatureCount { get; init; }

    /// <summary>Names of the columns, as far as the file has them.</summary>
    public required IReadOnlyList<string> FeatureNames { get; init; }

    /// <summary>Columns of the untransformed score.</summary>
    public required int OutputCount { get; init; }

    /// <summary>Leaves are added up in double precision.</summary>
    public required bool IsDouble { get; init; }

    /// <summary>The layout that was chosen.</summary>
    public required string Layout { get; init; }

    /// <summary>Memory of the layout, bytes.</summary>
    public required long LayoutBytes { get; init; }

    /// <summary>µs per row that the choice rests on, by layout; empty when there was none.</summary>
    public required IReadOnlyList<(string Layout, double Microseconds)> Choices { get; init; }

    /// <summary>Median µs of a call with one row.</summary>
    public required double SingleRowMicroseconds { get; init; }

    /// <summary>Median µs per row of a batch of 4,096 rows, fewer where a row is very wide.</summary>
    public required double BatchRowMicroseconds { get; init; }

    /// <summary>Size of the file, bytes.</summary>
    public required long FileBytes { get; init; }

    /// <summary>Time for reading the file.</summary>
    public required TimeSpan ReadTime { get; init; }

    /// <summary>Time for laying it out and choosing the layout.</summary>
    public required TimeSpan LayoutTime { get; init; }

    /// <summary>Memory that stays taken by the loaded model, bytes.</summary>
    public required long ManagedBytes { get; init; }

    /// <summary>Reads a file, lays it out and measures it; takes a fraction of a second for forests of usual size.</summary>
    /// <exception cref="InvalidDataException">The file is broken; the message says what is wrong and where.</exception>
    /// <exception cref="IOException">It cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be opened.</exception>
    public static ForestReport Read(string path)
    {
        try
        {
            var before = GC.GetTotalMemory(forceFullCollection: true);
            var start = Stopwatch.GetTimestamp();
            var forest = ForestFile.Read(path);
            var readTime = Stopwatch.GetElapsedTime(start);
            return forest.IsDouble
                ? Measure<double>(path, forest, readTime, before)
                : Measure<float>(path, forest, readTime, before);
        }
        catch (ForestFormatException error)
        {
            throw new InvalidDataException(error.Message, error);
        }
    }

    private static ForestReport Measure<T>(string path, TreeEnsemble forest, TimeSpan readTime, long before)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var start = Stopwatch.GetTimestamp();
        var engine = new ForestEngine<T>(forest);
        var layoutTime = Stopwatch.GetElapsedTime(start);
        var managed = GC.GetTotalMemory(forceFullCollection: true) - before;
        var depths = Array.ConvertAll(forest.Trees, tree => tree.Depth);
        var width = forest.FeatureCount;
        var rowCount = Math.Clamp(MostValues / Math.Max(1, Math.Max(width, forest.OutputCount)), 1, BatchRows);
        var rows = Rows<T>(forest, rowCount);
        var scores = new T[rowCount * forest.OutputCount];
        return new ForestReport
        {
            Source = forest.Source,
            Objective = forest.Objective,
            TreeCount = forest.Trees.Length,
            RoundCount = forest.RoundStarts.Length - 1,
            MaxDepth = depths.DefaultIfEmpty().Max(),
            MeanDepth = depths.DefaultIfEmpty().Average(),
            LeafCount = forest.Trees.Sum(tree => tree.LeafCount),
            FeatureCount = forest.FeatureCount,
            UsedFeatureCount = forest.Linear is null
                ? forest.Trees.SelectMany(tree => tree.Features).Distinct().Count() : forest.FeatureCount,
            FeatureNames = forest.FeatureNames,
            OutputCount = forest.OutputCount,
            IsDouble = forest.IsDouble,
            Layout = forest.Linear is null ? engine.Kernel.Name : "weights",
            LayoutBytes = engine.Kernel.ByteSize,
            Choices = engine.Calibration,
            SingleRowMicroseconds = Median(20 * Turns, turn =>
                engine.Score(rows.AsSpan(turn % rowCount * width, width), width, scores.AsSpan(0, forest.OutputCount))),
            BatchRowMicroseconds = Median(Turns, _ => engine.Score(rows, width, scores)) / rowCount,
            FileBytes = new FileInfo(path).Length,
            ReadTime = readTime,
            LayoutTime = layoutTime,
            ManagedBytes = Math.Max(0, managed),
        };
    }

    /// <summary>Values around the thresholds of their columns, so that rows take all ways.</summary>
    private static T[] Rows<T>(TreeEnsemble forest, int rowCount)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var thresholds = new List<double>?[forest.FeatureCount];
        foreach (var tree in forest.Trees)
        {
            for (var node = 0; node < tree.NodeCount; node++)
                (thresholds[tree.Features[node]] ??= []).Add(ColumnSet.ThresholdOf(tree, node));
        }

        var random = new Random(1);
        var rows = new T[rowCount * forest.FeatureCount];
        for (var i = 0; i < rows.Length; i++)
        {
            if (thresholds[i % forest.FeatureCount] is { } known)
                rows[i] = T.CreateTruncating(known[random.Next(known.Count)]);
        }

        return rows;
    }

    private static double Median(int turns, Action<int> run)
    {
        run(0);
        var times = new double[turns];
        for (var i = 0; i < turns; i++)
        {
            var start = Stopwatch.GetTimestamp();
            run(i);

            // Of a few nanoseconds a TimeSpan knows nothing.
            times[i] = (Stopwatch.GetTimestamp() - start) * 1e6 / Stopwatch.Frequency;
        }

        Array.Sort(times);
        return times[turns / 2];
    }
}
