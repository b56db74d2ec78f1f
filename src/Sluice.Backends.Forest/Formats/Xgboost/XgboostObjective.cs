using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Formats.Xgboost;

/// <summary>What an objective of XGBoost means for prediction (<c>src/objective</c> of 1.7 to 3.5).</summary>
internal static class XgboostObjective
{
    /// <summary>The default prediction.</summary>
    /// <param name="objective">Its name; empty = none.</param>
    /// <param name="version">The release that wrote the file.</param>
    /// <exception cref="ForestFormatException">Nobody knows the objective.</exception>
    public static Transform TransformOf(string objective, Version version) => new(objective switch
    {
        // Quantiles may not cross: from this release on each row is sorted.
        "reg:quantileerror" when version >= new Version(3, 4) => TransformKind.Rising,
        "reg:expectileerror" => TransformKind.Steps,
        "reg:squarederror" or "reg:linear" or "reg:squaredlogerror" or "reg:pseudohubererror" or "reg:absoluteerror"
            or "reg:quantileerror" or "binary:logitraw" or "rank:pairwise" or "rank:ndcg" or "rank:map" or "" => TransformKind.Identity,
        "reg:logistic" or "binary:logistic" => TransformKind.Sigmoid,
        "count:poisson" or "reg:gamma" or "reg:tweedie" or "survival:cox" or "survival:aft" => TransformKind.Exp,
        "binary:hinge" => TransformKind.Hinge,
        "multi:softprob" => TransformKind.Softmax,
        "multi:softmax" => TransformKind.ArgMax,
        _ => throw new ForestFormatException($"the objective '{objective}' is not known"),
    });

    /// <summary>Makes starts of the scores from the file's <c>base_score</c>, which stands in the space of predictions.</summary>
    /// <param name="objective">Its name.</param>
    /// <param name="values">One base score per output, replaced by the starts.</param>
    public static void ToMargins(string objective, Span<float> values)
    {
        switch (objective)
        {
            case "reg:logistic" or "binary:logistic":
                foreach (ref var value in values)
                    value = -MathF.Log((1f / value) - 1f);
                break;
            case "count:poisson" or "reg:gamma" or "reg:tweedie" or "survival:cox" or "survival:aft":
                foreach (ref var value in values)
                    value = MathF.Log(value);
                break;
            case "reg:expectileerror":
                for (var i = values.Length - 1; i > 0; i--)
                    values[i] = Transform.SoftPlusInverse(MathF.Max(values[i] - values[i - 1] - Transform.LeastStep, Transform.LeastStep));
                break;
        }
    }
}
