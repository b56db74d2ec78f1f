using System.Numerics;
using System.Runtime.InteropServices;
using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest;

/// <summary>Turns the score of one row into what an output holds.</summary>
internal static class ScoreFinish
{
    /// <summary>The threshold that leaves the class to the library's rule.</summary>
    public const double PlainThreshold = 0.5;

    /// <summary>Finishes a row.</summary>
    /// <param name="forest">Whose score it is.</param>
    /// <param name="kind">What is wanted; neither leaves nor contributions.</param>
    /// <param name="row">The score, at least two elements; replaced. A class is left in the first one, by its index.</param>
    /// <param name="threshold">A single probability above it is class 1.</param>
    public static void Apply<T>(TreeEnsemble forest, ForestOutputKind kind, Span<T> row, double threshold)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var scores = row[..forest.OutputCount];
        if (kind == ForestOutputKind.Prediction && forest.PredictsClass)
            kind = ForestOutputKind.Class;
        if (forest.Aggregation == Aggregation.Average)
            Divide(scores, forest.RoundStarts.Length - 1);
        if (forest.Scaling is { } scaling)
        {
            for (var i = 0; i < scores.Length; i++)
                scores[i] = (scores[i] * T.CreateTruncating(scaling.Factor)) + T.CreateTruncating(scaling.Bias[i]);
        }

        if (forest.Onnx is { } onnx)
        {
            ApplyOnnx(onnx, kind, scores);
            return;
        }

        if (forest.Isolation is { } isolation)
        {
            row[0] = T.CreateTruncating(isolation.Apply(kind, double.CreateTruncating(row[0])));
            return;
        }

        if (kind == ForestOutputKind.Margin)
            return;
        if (forest.AveragesRounds)
            Divide(scores, forest.RoundStarts.Length - 1);
        if (kind == ForestOutputKind.Class && forest.ClassRule != ClassRule.Probability && (scores.Length > 1 || threshold == PlainThreshold))
        {
            row[0] = ClassOf(forest.ClassRule, scores);
            return;
        }

        var transform = forest.Transform;
        if (kind is ForestOutputKind.Probability or ForestOutputKind.Class)
            transform = forest.Probabilities ?? transform;
        if (transform.Kind == TransformKind.ArgMax && kind == ForestOutputKind.Probability)
            transform = new Transform(TransformKind.Softmax);
        if (typeof(T) == typeof(float))
            transform.Apply(MemoryMarshal.Cast<T, float>(scores));
        else
            transform.Apply(MemoryMarshal.Cast<T, double>(scores));
        if (kind == ForestOutputKind.Probability && scores.Length == 1)
            (row[0], row[1]) = (T.One - row[0], row[0]);
        if (kind == ForestOutputKind.Class && (transform.IsProbability || forest.Probabilities is not null))
            row[0] = scores.Length > 1 ? T.CreateTruncating(Transform.ArgMax<T>(scores)) : Above(scores[0], threshold);
    }

    private static void ApplyOnnx<T>(OnnxScores onnx, ForestOutputKind kind, Span<T> scores)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (kind == ForestOutputKind.Margin)
        {
            onnx.AddBase(scores);
            return;
        }

        var label = onnx.Finish(scores);
        if (kind == ForestOutputKind.Class)
            scores[0] = T.CreateTruncating(label);
    }

    private static void Divide<T>(Span<T> scores, int count)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        foreach (ref var score in scores)
            score /= T.CreateTruncating(count);
    }

    private static T ClassOf<T>(ClassRule rule, ReadOnlySpan<T> scores)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (scores.Length > 1)
            return T.CreateTruncating(Transform.ArgMax(scores));
        return scores[0] > T.Zero || (scores[0] == T.Zero && rule == ClassRule.ScoreFromZero) ? T.One : T.Zero;
    }

    private static T Above<T>(T probability, double threshold)
        where T : unmanaged, IBinaryFloatingPointIeee754<T> => double.CreateTruncating(probability) > threshold ? T.One : T.Zero;
}
