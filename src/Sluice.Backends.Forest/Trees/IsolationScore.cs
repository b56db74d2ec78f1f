namespace Sluice.Backends.Forest.Trees;

/// <summary>What scikit-learn's IsolationForest makes of the depths added up over its trees.</summary>
/// <param name="Denominator">Number of trees times the average path length of a tree's sample.</param>
/// <param name="Offset">Scores below it are outliers.</param>
internal sealed record IsolationScore(double Denominator, double Offset)
{
    /// <summary>Margin is <c>decision_function</c>; the class is 0 for an outlier and 1 for an inlier.</summary>
    public double Apply(ForestOutputKind kind, double depths)
    {
        var samples = -Math.Pow(2, -depths / Denominator);
        var decision = samples - Offset;
        return kind switch
        {
            ForestOutputKind.Samples => samples,
            ForestOutputKind.Class => decision < 0 ? 0 : 1,
            _ => decision,
        };
    }
}
