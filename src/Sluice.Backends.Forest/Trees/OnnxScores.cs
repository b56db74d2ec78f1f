using System.Numerics;

namespace Sluice.Backends.Forest.Trees;

/// <summary>Post-transforms of the tree operators of ONNX, in the numbers of version 5.</summary>
internal enum OnnxTransform
{
    None,
    Softmax,
    Logistic,
    SoftmaxZero,
    Probit,
}

/// <summary>What a Normalizer divides a row by.</summary>
internal enum OnnxNorm
{
    None,
    Max,
    L1,
    L2,
}

/// <summary>Makes scores and labels of what the trees of an ONNX operator give, with the arithmetic and the order of ONNX Runtime,
/// which judges where the specification is vague.</summary>
/// <param name="Base">Base values; none, one for each output, or one for a classifier of two classes.</param>
/// <param name="Transform">Of the scores.</param>
/// <param name="IsClassifier">There are labels.</param>
internal sealed record OnnxScores(double[] Base, OnnxTransform Transform, bool IsClassifier)
{
    /// <summary>Two classes, and all weights are for one of them.</summary>
    public bool IsBinary { get; init; }

    /// <summary>No weight is below 0, so that scores count as probabilities.</summary>
    public bool ArePositive { get; init; }

    /// <summary>Outputs for which there is any weight.</summary>
    public required bool[] IsScored { get; init; }

    /// <summary>Of an operator behind the trees.</summary>
    public OnnxNorm Norm { get; init; }

    /// <summary>Adds base values.</summary>
    /// <param name="scores">Sums of the trees, NaN where no leaf gave anything; replaced.</param>
    public void AddBase<T>(Span<T> scores)
        where T : unmanaged, IBinaryFloatingPointIeee754<T> => Finish(scores, isRaw: true);

    /// <summary>Finishes a row.</summary>
    /// <param name="scores">Sums of the trees, NaN where no leaf gave anything; replaced.</param>
    /// <returns>Index of the class; 0 without classes.</returns>
    public int Finish<T>(Span<T> scores)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var label = Finish(scores, isRaw: false);
        Normalise(scores);
        return label;
    }

    private void Normalise<T>(Span<T> scores)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var by = 0f;
        foreach (var score in scores)
        {
            var value = float.CreateTruncating(score);
            by = Norm switch
            {
                OnnxNorm.Max => MathF.Max(by, value),
                OnnxNorm.L1 => by + MathF.Abs(value),
                OnnxNorm.L2 => by + (value * value),
                _ => 0,
            };
        }

        if (by == 0)
            return;
        foreach (ref var score in scores)
        {
            var value = float.CreateTruncating(score);
            score = T.CreateTruncating(Norm == OnnxNorm.L2 ? MathF.CopySign(MathF.Sqrt(value * value / by), value) : value / by);
        }
    }

    private int Finish<T>(Span<T> scores, bool isRaw)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (IsClassifier && scores.Length == 2)
            return FinishPair(scores, isRaw);
        for (var i = 0; i < scores.Length; i++)
        {
            var isAbsent = !IsScored[i] || T.IsNaN(scores[i]);
            if (isAbsent)
                scores[i] = !IsClassifier ? T.Zero : Base.Length > 0 ? T.CreateTruncating(Base[i]) : T.NaN;
            else if (Base.Length > 0)
                scores[i] += T.CreateTruncating(Base[i]);
            else if (!IsClassifier)
                scores[i] += T.Zero; // -0 becomes 0.
        }

        var label = IsClassifier ? Label(scores) : 0;
        foreach (ref var score in scores)
        {
            if (T.IsNaN(score))
                score = T.Zero;
        }

        if (isRaw)
            return label;
        if (scores.Length > 1)
            Apply(scores);
        else if (Transform == OnnxTransform.Probit)
            scores[0] = Probit(scores[0]);
        return label;
    }

    /// <summary>The class of the highest score, of those that have one.</summary>
    private static int Label<T>(ReadOnlySpan<T> scores)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var best = -1;
        for (var i = 0; i < scores.Length; i++)
        {
            if (!T.IsNaN(scores[i]) && (best < 0 || scores[i] > scores[best]))
                best = i;
        }

        return Math.Max(0, best);
    }

    private int FinishPair<T>(Span<T> scores, bool isRaw)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var has0 = IsScored[0] && !T.IsNaN(scores[0]);
        var has1 = IsScored[1] && !T.IsNaN(scores[1]);
        var first = has0 ? scores[0] : T.Zero;
        var second = has1 ? scores[1] : T.Zero;
        if (Base.Length == 2 && has1)
        {
            second = T.CreateTruncating(Base[1]) + first;
            first = -second;
        }
        else if (Base.Length > 0)
        {
            first += T.CreateTruncating(Base[0]);
            second += Base.Length == 2 ? T.CreateTruncating(Base[1]) : T.Zero;
        }

        // One score alone stands for the second class; the first one's follows from it.
        var isAlone = !has1 && Base.Length < 2;
        var decisive = has1 ? second : has0 ? first : T.Zero;
        var label = decisive > (IsBinary && ArePositive ? T.CreateTruncating(0.5) : T.Zero) ? 1 : 0;

        // Of a row without any score the base value counts for nothing either.
        first = has0 ? first : T.Zero;
        (scores[0], scores[1]) = (first, has1 ? second : T.Zero);
        if (isRaw)
            return label;
        if (!isAlone)
            Apply(scores);
        else if (Transform == OnnxTransform.Probit)
            (scores[0], scores[1]) = (Probit(first), T.Zero);
        else if (IsBinary && ArePositive && Transform != OnnxTransform.Logistic)
            (scores[0], scores[1]) = (T.One - first, first);
        else if (!IsBinary && Base.Length == 1)
            (scores[0], scores[1]) = (first, T.Zero);
        else if (Transform == OnnxTransform.Logistic)
            (scores[0], scores[1]) = (Logistic(-first), Logistic(first));
        else
            (scores[0], scores[1]) = (has0 ? -first : T.Zero, first);
        return label;
    }

    private void Apply<T>(Span<T> scores)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        switch (Transform)
        {
            case OnnxTransform.Softmax: Softmax(scores, skipsZero: false); break;
            case OnnxTransform.SoftmaxZero: Softmax(scores, skipsZero: true); break;
            case OnnxTransform.Logistic:
                foreach (ref var score in scores)
                    score = Logistic(score);
                break;
            case OnnxTransform.Probit:
                foreach (ref var score in scores)
                    score = Probit(score);
                break;
            default: break;
        }
    }

    private static T Logistic<T>(T score)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var value = float.CreateTruncating(score);
        var positive = 1 / (1 + MathF.Exp(-MathF.Abs(value)));
        return T.CreateTruncating(value < 0 ? 1 - positive : positive);
    }

    /// <summary>√2 · erf⁻¹(2x - 1) by the formula of Winitzki with a = 0.147.</summary>
    private static T Probit<T>(T score)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        const float A = 0.147f;
        var x = (2 * float.CreateTruncating(score)) - 1;
        var log = MathF.Log((1 - x) * (1 + x));
        var v = (2 / (MathF.PI * A)) + (0.5f * log);
        var root = MathF.Sqrt(-v + MathF.Sqrt((v * v) - (1 / A * log)));
        return T.CreateTruncating(1.41421356f * ((x < 0 ? -1f : 1f) * root));
    }

    private static void Softmax<T>(Span<T> scores, bool skipsZero)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var max = -float.MaxValue;
        foreach (var score in scores)
            max = MathF.Max(max, float.CreateTruncating(score));
        var sum = 0f;
        foreach (ref var score in scores)
        {
            var value = float.CreateTruncating(score);
            if (skipsZero && MathF.Abs(value) <= 0.0000001f)
            {
                score *= T.CreateTruncating(MathF.Exp(-max));
                continue;
            }

            score = T.CreateTruncating(MathF.Exp(value - max));
            sum += float.CreateTruncating(score);
        }

        foreach (ref var score in scores)
            score = skipsZero ? score / T.CreateTruncating(sum) : T.CreateTruncating(float.CreateTruncating(score) / sum);
    }
}
