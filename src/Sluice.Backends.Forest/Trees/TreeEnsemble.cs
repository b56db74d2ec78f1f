using System.Numerics;

namespace Sluice.Backends.Forest.Trees;

/// <summary>What is made of the trees' leaves, in the numbers of ONNX.</summary>
internal enum Aggregation
{
    /// <summary>The sum divided by the number of rounds.</summary>
    Average,

    /// <summary>The sum.</summary>
    Sum,

    /// <summary>The smallest.</summary>
    Min,

    /// <summary>The largest.</summary>
    Max,
}

/// <summary>What tells the class. The ways differ where scores are equal, and where they are so near that probabilities are.</summary>
internal enum ClassRule
{
    /// <summary>The highest probability, the first of equals; of two classes the second when its probability is above the threshold.</summary>
    Probability,

    /// <summary>The highest score, the first of equals; of two classes the second when the score is above 0.</summary>
    ScoreAboveZero,

    /// <summary>The same, but 0 is the second class.</summary>
    ScoreFromZero,
}

/// <summary>An ensemble of trees, or a linear booster, as its file describes it; independent of the library that wrote it.</summary>
/// <remarks><b>Threads.</b> Immutable once read.</remarks>
internal sealed record TreeEnsemble
{
    /// <summary>Values this near to zero are zero to LightGBM (its <c>kZeroThreshold</c>).</summary>
    public const double ZeroBand = 1e-35f;

    /// <summary>The library and version that the file names, for people.</summary>
    public required string Source { get; init; }

    /// <summary>Columns of a row.</summary>
    public required int FeatureCount { get; init; }

    /// <summary>Columns of the untransformed score: classes, targets, or 1.</summary>
    public required int OutputCount { get; init; }

    /// <summary>In the order in which their leaves are added up.</summary>
    public required ForestTree[] Trees { get; init; }

    /// <summary>Trees of one boosting round, for ranges of rounds; round r begins at <c>RoundStarts[r]</c>, and the last
    /// element is the number of trees.</summary>
    public required int[] RoundStarts { get; init; }

    /// <summary>What each output starts from, in the untransformed score.</summary>
    public required double[] BaseMargin { get; init; }

    /// <summary>Leaves are added up in double precision (LightGBM), else in single (XGBoost).</summary>
    public required bool IsDouble { get; init; }

    /// <summary>How leaves become the score.</summary>
    public Aggregation Aggregation { get; init; } = Aggregation.Sum;

    /// <summary>What becomes of the sum before anything else; null = nothing.</summary>
    public Scaling? Scaling { get; init; }

    /// <summary>A leaf's NaN says nothing, and an output that no leaf says anything of stays NaN.</summary>
    public bool HasGaps { get; init; }

    /// <summary>The default prediction from the untransformed score.</summary>
    public required Transform Transform { get; init; }

    /// <summary>Gives probabilities where <see cref="Transform"/> does not; null = nothing does.</summary>
    public Transform? Probabilities { get; init; }

    /// <summary>The default prediction is the class.</summary>
    public bool PredictsClass { get; init; }

    /// <summary>What tells the class of a classifier with probabilities.</summary>
    public ClassRule ClassRule { get; init; }

    /// <summary>The classes; null = numbers from 0, or none.</summary>
    public ClassLabels? Labels { get; init; }

    /// <summary>What ONNX operators make of the score instead of <see cref="Transform"/>.</summary>
    public OnnxScores? Onnx { get; init; }

    /// <summary>What an isolation forest makes of the score instead of <see cref="Transform"/>.</summary>
    public IsolationScore? Isolation { get; init; }

    /// <summary>Tensors as the file names them; null = it does not.</summary>
    public ForestSignature? Signature { get; init; }

    /// <summary>A random forest of LightGBM: the prediction, not the score, is divided by the number of rounds.</summary>
    public bool AveragesRounds { get; init; }

    /// <summary>Features of which a value within 1e-35 of zero counts as missing, as NaN does (LightGBM); null = none.</summary>
    public bool[]? ZeroIsMissing { get; init; }

    /// <summary>A linear booster instead of trees.</summary>
    public LinearBooster? Linear { get; init; }

    /// <summary>The objective's name in the file; may be empty.</summary>
    public string Objective { get; init; } = "";

    /// <summary>Names of the columns; may be empty.</summary>
    public IReadOnlyList<string> FeatureNames { get; init; } = [];

    /// <summary>There are classes, so labels and (but for hinge loss and isolation) probabilities.</summary>
    public bool IsClassifier => HasProbabilities || Transform.Kind == TransformKind.Hinge || Isolation is not null;

    /// <summary>There are probabilities of classes.</summary>
    public bool HasProbabilities =>
        Transform.IsProbability || Transform.Kind == TransformKind.ArgMax || Probabilities is not null || Onnx is { IsClassifier: true };

    /// <summary>Takes a leaf's value into a score.</summary>
    public T Aggregate<T>(T score, T value)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (HasGaps && T.IsNaN(value))
            return score;
        if (HasGaps && T.IsNaN(score))
            return Aggregation is Aggregation.Min or Aggregation.Max ? value : T.Zero + value;
        return Aggregation switch
        {
            Aggregation.Min => value < score ? value : score,
            Aggregation.Max => value > score ? value : score,
            _ => score + value,
        };
    }

    /// <summary>Makes <see cref="RoundStarts"/> of rounds of so many trees each.</summary>
    public static int[] EqualRounds(ForestTree[] trees, long treesPerRound)
    {
        var size = (int)Math.Clamp(treesPerRound, 1, Math.Max(1, trees.Length));
        return [.. Enumerable.Range(0, ((trees.Length + size - 1) / size) + 1).Select(round => Math.Min(round * size, trees.Length))];
    }
}

/// <summary>A linear booster: score = base + bias + Σ value · weight, missing values left out, in the order of the columns.</summary>
/// <param name="Weights">[feature][output], row by row.</param>
/// <param name="Bias">One per output.</param>
internal sealed record LinearBooster(float[] Weights, float[] Bias);

/// <summary>Sum · factor + bias, as CatBoost finishes a sum.</summary>
/// <param name="Factor">Of all outputs.</param>
/// <param name="Bias">One per output.</param>
internal sealed record Scaling(double Factor, double[] Bias);
