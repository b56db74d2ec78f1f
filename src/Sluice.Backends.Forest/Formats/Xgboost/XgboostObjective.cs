using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Formats.Xgboost;

/// <summary>What an objective of XGBoost means for prediction (<c>src/objective/*.cu</c> of 1.7 to 3.x).</summary>
internal static class XgboostObjective
{
    /// <summary>The default prediction.</summary>
    /// <exception cref="ForestFormatException">Nobody knows the objective.</exception>
    public static Transform TransformOf(string objective) => new(objective switch
    {
        "reg:squarederror" or "reg:linear" or "reg:squaredlogerror" or "reg:pseudohubererror" or "reg:absoluteerror"
            or "reg:quantileerror" or "reg:expectileerror" or "binary:logitraw" or "rank:pairwise" or "rank:ndcg" or "rank:map"
            or "" => TransformKind.Identity,
        "reg:logistic" or "binary:logistic" => TransformKind.Sigmoid,
        "count:poisson" or "reg:gamma" or "reg:tweedie" or "survival:cox" or "survival:aft" => TransformKind.Exp,
        "binary:hinge" => TransformKind.Hinge,
        "multi:softprob" => TransformKind.Softmax,
        "multi:softmax" => TransformKind.ArgMax,
        _ => throw new ForestFormatException($"the objective '{objective}' is not known"),
    });

    /// <summary>The start of the score from the file's <c>base_score</c>, which stands in the space of predictions.</summary>
    public static float Margin(string objective, float baseScore) => objective switch
    {
        "reg:logistic" or "binary:logistic" => -MathF.Log((1f / baseScore) - 1f),
        "count:poisson" or "reg:gamma" or "reg:tweedie" or "survival:cox" or "survival:aft" => MathF.Log(baseScore),
        _ => baseScore,
    };
}
