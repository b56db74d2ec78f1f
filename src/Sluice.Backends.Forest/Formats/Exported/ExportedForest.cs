using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Formats.Exported;

/// <summary>Reads the format that <c>sluice_worker/forest_export.py</c> writes, version 1; README.md describes it.</summary>
internal ref struct ExportedForest(ReadOnlySpan<byte> file)
{
    private const uint Version = 1;
    private const int MaxFeatures = 1 << 24;
    private const int MaxOutputs = 1 << 16;
    private const int MaxText = 1 << 16;
    private const byte Absent = 255;

    private readonly ReadOnlySpan<byte> _file = file;
    private int _position;

    [Flags]
    private enum Header
    {
        Rounded = 1,
        Averaged = 2,
        PredictsClass = 4,
        ByScore = 8,
        ZeroIsClass1 = 16,
    }

    [Flags]
    private enum Parts
    {
        Cover = 1,
        Sets = 2,
        Ids = 4,
    }

    private static ReadOnlySpan<byte> Magic => "SLUICEFT"u8;

    /// <summary>Tells whether a file is of this format.</summary>
    public static bool IsExported(ReadOnlySpan<byte> file) => file.StartsWith(Magic);

    /// <exception cref="ForestFormatException">It ends early or contradicts itself.</exception>
    public TreeEnsemble Read()
    {
        _position = Magic.Length;
        if (ReadCount(int.MaxValue, "version") is var version && version != Version)
            throw Wrong($"version {version}; this server reads version {Version}");
        var flags = (Header)ReadCount(31, "flags");
        var features = ReadCount(MaxFeatures, "columns");
        var outputs = ReadCount(MaxOutputs, "outputs");
        var rounds = ReadCount(_file.Length / sizeof(int), "rounds");
        var treeCount = ReadCount(_file.Length / 24, "trees");
        if (outputs == 0)
            throw Wrong("no outputs");
        var (transform, probabilities, labelKind, hasIsolation) = (Take(1)[0], Take(1)[0], Take(1)[0], Take(1)[0] != 0);
        var scale = ReadDouble();
        var isolation = hasIsolation ? new IsolationScore(ReadDouble(), ReadDouble()) : null;
        var forest = new TreeEnsemble
        {
            Source = ReadText(),
            Objective = ReadText(),
            FeatureCount = features,
            OutputCount = outputs,
            Trees = [],
            BaseMargin = ReadDoubles(outputs),
            RoundStarts = ReadIntegers(rounds + 1),
            IsDouble = true,
            Aggregation = flags.HasFlag(Header.Averaged) ? Aggregation.Average : Aggregation.Sum,
            Transform = TransformOf(transform, scale),
            Probabilities = probabilities == Absent ? null : TransformOf(probabilities, scale),
            PredictsClass = flags.HasFlag(Header.PredictsClass),
            ClassRule = !flags.HasFlag(Header.ByScore) ? ClassRule.Probability
                : flags.HasFlag(Header.ZeroIsClass1) ? ClassRule.ScoreFromZero : ClassRule.ScoreAboveZero,
            Labels = ReadLabels(labelKind),
            Isolation = isolation,
            FeatureNames = ReadNames(features),
        };
        CheckRounds(forest.RoundStarts, treeCount);
        CheckClasses(forest);
        var trees = new ForestTree[treeCount];
        for (var i = 0; i < treeCount; i++)
            trees[i] = ReadTree(forest, i, flags.HasFlag(Header.Rounded));
        return _position == _file.Length ? forest with { Trees = trees } : throw Wrong("there is something behind the end");
    }

    /// <summary>The largest number that becomes no more than a threshold when it is rounded to single precision, so that a value need
    /// not be rounded before it is compared.</summary>
    public static double BeforeRounding(double threshold)
    {
        var below = (float)threshold;
        if (below > threshold)
            below = float.BitDecrement(below);
        if (float.IsInfinity(below) || double.IsNaN(threshold))
            return threshold;
        var above = float.BitIncrement(below);

        // Half way the even one of the two is taken; past the largest number infinity counts as the next power of two.
        var middle = ((double)below + (float.IsPositiveInfinity(above) ? Math.ScaleB(1, 128) : above)) / 2;
        return (BitConverter.SingleToInt32Bits(below) & 1) == 0 ? middle : double.BitDecrement(middle);
    }

    private readonly Transform TransformOf(byte kind, double scale) => kind switch
    {
        0 => Transform.Identity,
        1 => new Transform(TransformKind.Sigmoid, scale),
        2 => new Transform(TransformKind.Exp),
        3 => new Transform(TransformKind.Softmax),
        _ => throw Wrong($"transform {kind}"),
    };

    private readonly void CheckRounds(int[] starts, int trees)
    {
        var last = 0;
        foreach (var start in starts)
        {
            if (start < last)
                throw Wrong($"the rounds do not divide {trees} trees");
            last = start;
        }

        if (starts[0] != 0 || last != trees)
            throw Wrong($"the rounds do not divide {trees} trees");
    }

    private readonly void CheckClasses(TreeEnsemble forest)
    {
        if (forest.PredictsClass && (forest.Labels is null || !forest.IsClassifier))
            throw Wrong("the prediction is a class, and there are no classes");
        if (forest.Labels is { } labels && labels.Count != Math.Max(2, forest.OutputCount))
            throw Wrong($"{labels.Count} classes for {forest.OutputCount} outputs");
        if (forest.Isolation is not null && forest.OutputCount != 1)
            throw Wrong("an isolation forest has one output");
    }

    private ClassLabels? ReadLabels(byte kind)
    {
        if (kind == 0)
            return null;
        if (kind > 2)
            throw Wrong($"labels of kind {kind}");
        var count = ReadCount(MaxOutputs, "classes");
        if (kind == 1)
            return new ClassLabels { Numbers = Take<long>(count).ToArray() };
        var texts = new string[Math.Min(count, (_file.Length - _position) / sizeof(int))];
        if (texts.Length != count)
            throw Wrong($"{count} classes go past the end");
        for (var i = 0; i < count; i++)
            texts[i] = ReadText();
        return new ClassLabels { Texts = texts };
    }

    private string[] ReadNames(int features)
    {
        var count = ReadCount(features, "names of columns");
        if (count > (_file.Length - _position) / sizeof(int))
            throw Wrong($"{count} names go past the end");
        var names = new string[count];
        for (var i = 0; i < count; i++)
            names[i] = ReadText();
        return names;
    }

    private ForestTree ReadTree(TreeEnsemble forest, int index, bool isRounded)
    {
        var most = _file.Length - _position;
        var nodes = ReadCount(most / 21, "nodes");
        var leaves = ReadCount(most / 8, "leaves");
        var width = ReadCount(forest.OutputCount, "values of a leaf");
        var output = ReadCount(forest.OutputCount - 1, "output");
        var parts = (Parts)ReadCount(7, "parts");
        var root = ReadIntegers(1)[0];
        if (leaves != nodes + 1 || (width != 1 && width != forest.OutputCount))
            throw Wrong($"tree {index} has {nodes} nodes, {leaves} leaves and {width} values in a leaf");
        var tree = new ForestTree
        {
            Root = root,
            Features = ReadIntegers(nodes),
            Thresholds = ReadDoubles(nodes),
            Left = ReadIntegers(nodes),
            Right = ReadIntegers(nodes),
            DefaultLeft = Array.ConvertAll(Take(nodes).ToArray(), flag => flag != 0),
            LeafValues = ReadDoubles(checked(leaves * width)),
            LeafWidth = width,
            Output = output,
            Cover = parts.HasFlag(Parts.Cover) ? ReadDoubles(nodes + leaves) : null,
            Categories = parts.HasFlag(Parts.Sets) ? ReadSets(nodes) : null,
            LeafIds = parts.HasFlag(Parts.Ids) ? ReadIntegers(leaves) : null,
        };
        Check(tree, index, forest.FeatureCount);
        if (isRounded)
        {
            for (var node = 0; node < nodes; node++)
                tree.Thresholds[node] = BeforeRounding(tree.Thresholds[node]);
        }

        return tree;
    }

    /// <summary>Each node but the root, and each leaf, has one parent, and all hang together.</summary>
    private readonly void Check(ForestTree tree, int index, int features)
    {
        var isSeen = new bool[tree.NodeCount + tree.LeafCount];
        var waiting = new Stack<int>([tree.Root]);
        var seen = 0;
        while (waiting.TryPop(out var node))
        {
            var place = node < 0 ? tree.NodeCount + ~node : node;
            if ((uint)place >= (uint)isSeen.Length || (node >= 0 && node >= tree.NodeCount) || isSeen[place])
                throw Wrong($"tree {index}: child {node} is outside the tree or has two parents");
            isSeen[place] = true;
            seen++;
            if (node < 0)
                continue;
            if (tree.Features[node] < 0 || tree.Features[node] >= features || double.IsNaN(tree.Thresholds[node]))
                throw Wrong($"tree {index}: node {node} tests column {tree.Features[node]} of {features}, or NaN");
            waiting.Push(tree.Left[node]);
            waiting.Push(tree.Right[node]);
        }

        if (seen != isSeen.Length)
            throw Wrong($"tree {index} has nodes that nothing leads to");
    }

    private CategorySet?[] ReadSets(int nodes)
    {
        var sets = new CategorySet?[nodes];
        for (var i = 0; i < nodes; i++)
        {
            var goesLeft = ReadCount(1, "side of a set") == 1;
            var words = Take<uint>(ReadCount(1 << 20, "words of a set"));
            if (!words.IsEmpty)
                sets[i] = new CategorySet(words.ToArray(), goesLeft, NegativeIsOutside: true);
        }

        return sets;
    }

    private string ReadText() => Encoding.UTF8.GetString(Take(ReadCount(MaxText, "bytes of a text")));

    private int ReadCount(int most, string what)
    {
        var count = BinaryPrimitives.ReadUInt32LittleEndian(Take(4));
        return count <= (uint)Math.Max(0, most) ? (int)count : throw Wrong($"{count} {what}, at most {Math.Max(0, most)} can be");
    }

    private double ReadDouble() => BinaryPrimitives.ReadDoubleLittleEndian(Take(8));

    private double[] ReadDoubles(int count) => Take<double>(count).ToArray();

    private int[] ReadIntegers(int count) => Take<int>(count).ToArray();

    private ReadOnlySpan<T> Take<T>(int count)
        where T : unmanaged
    {
        var size = Marshal.SizeOf<T>();
        return count <= (_file.Length - _position) / size
            ? MemoryMarshal.Cast<byte, T>(Take(count * size)) : throw Wrong($"{count} numbers go past the end");
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > _file.Length - _position)
            throw Wrong("the file ends");
        var taken = _file.Slice(_position, count);
        _position += count;
        return taken;
    }

    private readonly ForestFormatException Wrong(string reason) => ForestFormatException.At(_position, reason);
}
