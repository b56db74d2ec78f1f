namespace Sluice.Backends.Forest;

/// <summary>What an output holds.</summary>
internal enum ForestOutputKind
{
    /// <summary>What the library's plain <c>predict</c> gives.</summary>
    Prediction,

    /// <summary>The score before the objective's transform.</summary>
    Margin,

    /// <summary>A probability for each class; two columns for a binary model.</summary>
    Probability,

    /// <summary>The class: its number, or what it is called.</summary>
    Class,

    /// <summary>The leaf of each tree, in the library's numbers.</summary>
    Leaf,

    /// <summary><c>score_samples</c> of an isolation forest.</summary>
    Samples,

    /// <summary>What each feature adds to the score, and behind them what is there without any.</summary>
    Contributions,
}
