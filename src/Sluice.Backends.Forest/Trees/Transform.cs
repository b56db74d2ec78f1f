namespace Sluice.Backends.Forest.Trees;

/// <summary>How an untransformed score becomes the prediction.</summary>
internal enum TransformKind
{
    /// <summary>It is the prediction.</summary>
    Identity,

    /// <summary>1 / (1 + e^(-scale·x)).</summary>
    Sigmoid,

    /// <summary>e^x.</summary>
    Exp,

    /// <summary>log(1 + e^x).</summary>
    LogOnePlusExp,

    /// <summary>1 above 0, else 0.</summary>
    Hinge,

    /// <summary>sign(x)·x².</summary>
    SignedSquare,

    /// <summary>Probabilities of the classes.</summary>
    Softmax,

    /// <summary>Number of the class with the highest score.</summary>
    ArgMax,

    /// <summary>The scores in rising order.</summary>
    Rising,

    /// <summary>The first score, and each other one as a step up from the one before it.</summary>
    Steps,
}

/// <summary>The transform of an objective, with the arithmetic of its library.</summary>
/// <param name="Kind">The formula.</param>
/// <param name="Scale">Of <see cref="TransformKind.Sigmoid"/>.</param>
internal sealed record Transform(TransformKind Kind, double Scale = 1)
{
    /// <summary>What <see cref="TransformKind.Steps"/> adds to each step (<c>kRtEps</c> of XGBoost).</summary>
    public const float LeastStep = 1e-6f;

    /// <summary>The score is the prediction.</summary>
    public static readonly Transform Identity = new(TransformKind.Identity);

    /// <summary>Columns of the prediction for a score of so many.</summary>
    public int Width(int outputCount) => Kind == TransformKind.ArgMax ? 1 : outputCount;

    /// <summary>The x whose <c>log(1 + e^x)</c> is the value, which is above 0.</summary>
    public static float SoftPlusInverse(float value) => value + MathF.Log((float)-double.ExpM1(-value));

    /// <summary>The values are probabilities of classes.</summary>
    public bool IsProbability => Kind is TransformKind.Sigmoid or TransformKind.Softmax;

    /// <summary>Transforms one row in single precision, as XGBoost does (<c>src/common/math.h</c>).</summary>
    /// <param name="row">Scores, replaced by predictions; <see cref="TransformKind.ArgMax"/> leaves it in the first element.</param>
    public void Apply(Span<float> row)
    {
        switch (Kind)
        {
            case TransformKind.Identity:
                return;
            case TransformKind.Softmax:
                Softmax(row);
                return;
            case TransformKind.ArgMax:
                row[0] = ArgMax<float>(row);
                return;
            case TransformKind.Rising:
                row.Sort();
                return;
            case TransformKind.Steps:
                for (var i = 1; i < row.Length; i++)
                    row[i] = row[i - 1] + (LeastStep + SoftPlus(row[i]));
                return;
            default:
                foreach (ref var value in row)
                    value = Apply(value);
                return;
        }
    }

    /// <summary>Transforms one row in double precision, as LightGBM does.</summary>
    public void Apply(Span<double> row)
    {
        switch (Kind)
        {
            case TransformKind.Identity:
                return;
            case TransformKind.Softmax:
                Softmax(row);
                return;
            case TransformKind.ArgMax:
                row[0] = ArgMax<double>(row);
                return;
            default:
                foreach (ref var value in row)
                    value = Apply(value);
                return;
        }
    }

    /// <summary>Index of the largest element, the first of equals.</summary>
    public static int ArgMax<T>(ReadOnlySpan<T> row)
        where T : IComparable<T>
    {
        var best = 0;
        for (var i = 1; i < row.Length; i++)
        {
            if (row[i].CompareTo(row[best]) > 0)
                best = i;
        }

        return best;
    }

    private static void Softmax(Span<float> row)
    {
        var max = row[0];
        foreach (var value in row)
            max = MathF.Max(max, value);
        var sum = 0.0;
        foreach (ref var value in row)
        {
            value = MathF.Exp(value - max);
            sum += value;
        }

        foreach (ref var value in row)
            value /= (float)sum;
    }

    private static void Softmax(Span<double> row)
    {
        var max = row[0];
        foreach (var value in row)
            max = Math.Max(max, value);
        var sum = 0.0;
        foreach (ref var value in row)
        {
            value = Math.Exp(value - max);
            sum += value;
        }

        foreach (ref var value in row)
            value /= sum;
    }

    /// <summary>log(1 + x), also where 1 + x is 1, which <see cref="double.LogP1"/> is not.</summary>
    private static double LogOnePlus(double x)
    {
        var sum = 1 + x;
        return sum == 1 || double.IsInfinity(sum) ? x : Math.Log(sum) * (x / (sum - 1));
    }

    /// <summary>log(1 + e^x).</summary>
    private static float SoftPlus(float x) =>
        x > 0 ? x + (float)LogOnePlus(MathF.Exp(-x)) : (float)LogOnePlus(MathF.Exp(x));

    private float Apply(float value) => Kind switch
    {
        // The bound keeps e^x finite; the last summand keeps the denominator from being 0.
        TransformKind.Sigmoid => 1f / (MathF.Exp(MathF.Min(-value, 88.7f)) + 1f + 1e-16f),
        TransformKind.Exp => MathF.Exp(value),
        TransformKind.Hinge => value > 0 ? 1 : 0,
        _ => throw new InvalidOperationException($"{Kind} is not of XGBoost"),
    };

    private double Apply(double value) => Kind switch
    {
        TransformKind.Sigmoid => 1 / (1 + Math.Exp(-Scale * value)),
        TransformKind.Exp => Math.Exp(value),
        TransformKind.LogOnePlusExp => LogOnePlus(Math.Exp(value)),
        TransformKind.SignedSquare => Math.Abs(value) * value,
        _ => throw new InvalidOperationException($"{Kind} is not of LightGBM"),
    };
}
