using System.Buffers.Binary;
using System.Text;
using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Formats.Xgboost;

/// <summary>Reads the binary format of XGBoost up to 2.x: C structures in the order of the learner, little endian.</summary>
internal ref struct XgboostLegacy(ReadOnlySpan<byte> file)
{
    private const int MaxText = 1 << 20;
    private const int NodeSize = 20;
    private const int NodeStatisticsSize = 16;

    private readonly ReadOnlySpan<byte> _file = file;
    private int _position;

    /// <exception cref="ForestFormatException">It is not such a file, or it ends early.</exception>
    public TreeEnsemble Read()
    {
        if (_file.StartsWith("binf"u8))
            _position = 4;

        // LearnerModelParam, 136 bytes.
        var start = _position;
        var baseScore = ReadSingle();
        var features = ReadInt32();
        var classes = ReadInt32();
        Skip(8);
        var major = ReadInt32();
        var minor = ReadInt32();
        var targets = ReadInt32();
        _position = start + 136;
        if (features < 0 || features > 1 << 24 || classes < 0 || classes > 1 << 16)
            throw Wrong($"{features} features and {classes} classes; this is no XGBoost model");
        var objective = ReadText();
        var booster = ReadText();
        var outputs = Math.Max(Math.Max(1, classes), targets is > 0 and <= 1 << 16 ? targets : 1);
        var transform = XgboostObjective.TransformOf(objective, new Version(Math.Max(0, major), Math.Max(0, minor)));
        if (major == 0 && !objective.StartsWith("multi:", StringComparison.Ordinal))
            baseScore = Transformed(transform, baseScore);
        var margins = new float[outputs];
        Array.Fill(margins, baseScore);
        XgboostObjective.ToMargins(objective, margins);
        var forest = new TreeEnsemble
        {
            Source = major == 0 ? "XGBoost older than 1.0" : $"XGBoost {major}.{minor}",
            FeatureCount = features,
            OutputCount = outputs,
            Trees = [],
            RoundStarts = [0],
            BaseMargin = Array.ConvertAll(margins, margin => (double)margin),
            IsDouble = false,
            Transform = transform,
            Objective = objective,
        };
        return booster switch
        {
            "gbtree" => ReadTrees(forest, isDart: false),
            "dart" => ReadTrees(forest, isDart: true),
            "gblinear" => ReadLinear(forest),
            _ => throw new ForestFormatException($"the booster '{booster}' is not known"),
        };
    }

    /// <summary>Before 1.0 the file held the margin.</summary>
    private static float Transformed(Transform transform, float margin)
    {
        Span<float> row = [margin];
        transform.Apply(row);
        return row[0];
    }

    private TreeEnsemble ReadTrees(TreeEnsemble forest, bool isDart)
    {
        // GBTreeModelParam, 160 bytes.
        var start = _position;
        var count = ReadInt32();
        var parallel = ReadInt32();
        _position = start + 160;
        if (count < 0 || (long)count * (148 + NodeSize + NodeStatisticsSize) > _file.Length)
            throw Wrong($"{count} trees do not fit into the file");
        var nodes = new XgboostNodes[count];
        for (var i = 0; i < count; i++)
            nodes[i] = ReadTree(forest, i);
        var groups = new int[count];
        for (var i = 0; i < count; i++)
        {
            groups[i] = ReadInt32();
            if (groups[i] < 0 || groups[i] >= forest.OutputCount)
                throw Wrong($"tree {i} is of output {groups[i]}; there are {forest.OutputCount}");
        }

        var weights = isDart && count > 0 ? ReadSingles() : null;
        if (weights is not null && weights.Length != count)
            throw Wrong($"{weights.Length} weights for {count} trees");
        var trees = new ForestTree[count];
        for (var i = 0; i < count; i++)
            trees[i] = nodes[i].ToTree(groups[i], weights?[i]);
        return forest with { Trees = trees, RoundStarts = TreeEnsemble.EqualRounds(trees, (long)Math.Max(1, parallel) * forest.OutputCount) };
    }

    private XgboostNodes ReadTree(TreeEnsemble forest, int index)
    {
        // TreeParam, 148 bytes.
        var start = _position;
        Skip(4);
        var count = ReadInt32();
        Skip(12);
        var leafWidth = ReadInt32();
        _position = start + 148;
        if (count <= 0 || (long)count * (NodeSize + NodeStatisticsSize) > _file.Length - _position)
            throw Wrong($"tree {index} of {count} nodes does not fit into the file");
        if (leafWidth > 1)
            throw Wrong($"tree {index} has leaves of {leafWidth} values");
        var (left, right, features) = (new int[count], new int[count], new int[count]);
        var (conditions, cover, defaults) = (new double[count], new double[count], new bool[count]);
        for (var node = 0; node < count; node++)
        {
            Skip(4);
            left[node] = ReadInt32();
            right[node] = ReadInt32();
            var split = (uint)ReadInt32();
            features[node] = (int)(split & 0x7fffffff);
            defaults[node] = split >> 31 != 0;
            conditions[node] = ReadSingle();
        }

        for (var node = 0; node < count; node++)
        {
            Skip(4);
            cover[node] = ReadSingle();
            Skip(8);
        }

        return new XgboostNodes(count, forest.FeatureCount, forest.OutputCount, $"tree {index}")
        {
            Left = left,
            Right = right,
            Features = features,
            Conditions = conditions,
            DefaultLeft = defaults,
            Cover = cover,
        };
    }

    private TreeEnsemble ReadLinear(TreeEnsemble forest)
    {
        Skip(136);
        var weights = ReadSingles();
        var split = forest.FeatureCount * (long)forest.OutputCount;
        if (weights.Length != split + forest.OutputCount)
            throw Wrong($"{weights.Length} weights, not {split + forest.OutputCount}");
        return forest with { Linear = new LinearBooster(weights[..(int)split], weights[(int)split..]) };
    }

    private float[] ReadSingles()
    {
        var count = ReadInt64();
        if (count < 0 || count > (_file.Length - _position) / sizeof(float))
            throw Wrong($"{count} numbers go past the end");
        var numbers = new float[count];
        for (var i = 0; i < numbers.Length; i++)
            numbers[i] = ReadSingle();
        return numbers;
    }

    private string ReadText()
    {
        var length = ReadInt64();
        if (length is < 0 or > MaxText)
            throw Wrong($"a text of {length} bytes; this is no XGBoost model");
        return Encoding.UTF8.GetString(Take((int)length));
    }

    private float ReadSingle() => BinaryPrimitives.ReadSingleLittleEndian(Take(4));

    private int ReadInt32() => BinaryPrimitives.ReadInt32LittleEndian(Take(4));

    private long ReadInt64() => BinaryPrimitives.ReadInt64LittleEndian(Take(8));

    private void Skip(int count) => Take(count);

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
