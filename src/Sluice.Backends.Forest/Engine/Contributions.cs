using Sluice.Backends.Forest.Trees;

namespace Sluice.Backends.Forest.Engine;

/// <summary>What each feature adds to a row's untransformed score: Shapley values of the trees, where an unknown feature goes both ways in
/// the shares of training rows (the path-dependent TreeSHAP of Lundberg and others, 2018).</summary>
/// <remarks>The values of a row add up to its score. <b>Threads.</b> One at a time.</remarks>
internal sealed class Contributions
{
    /// <summary>Deepest tree; time and memory grow with its square.</summary>
    public const int MaxDepth = 512;

    private readonly TreeEnsemble _forest;
    private readonly Step[] _paths;
    private readonly double[] _start;

    /// <summary>Prepares a forest for which <see cref="WhyNot"/> has nothing to say.</summary>
    public Contributions(TreeEnsemble forest)
    {
        _forest = forest;
        var depth = forest.Trees.Select(tree => tree.Depth).DefaultIfEmpty().Max() + 2;
        _paths = new Step[depth * (depth + 1) / 2];
        _start = new double[forest.OutputCount];
        foreach (var tree in forest.Trees)
        {
            for (var output = 0; output < tree.LeafWidth; output++)
                _start[tree.LeafWidth == 1 ? tree.Output : output] += Expected(tree, tree.Root, output) * (tree.Weight ?? 1f);
        }
    }

    /// <summary>Values of a row: for each output one of each feature, and what is there without any.</summary>
    public int Width => _forest.OutputCount * (_forest.FeatureCount + 1);

    /// <summary>Says why a forest has no contributions; null = it has.</summary>
    public static string? WhyNot(TreeEnsemble forest)
    {
        if (forest.Onnx is not null || Array.Exists(forest.Trees, tree => tree.NodeCount > 0 && tree.Cover is null))
            return "the file does not say how many rows of training came through its nodes";
        if (forest.Isolation is not null || Array.Exists(forest.Trees, tree => tree.LinearLeaves is not null))
            return "they are not defined for isolation forests and for linear models in leaves";
        if (Array.Exists(forest.Trees, tree => tree.Depth > MaxDepth))
            return $"a tree has more than {MaxDepth} levels";
        return (long)forest.OutputCount * (forest.FeatureCount + 1) > 1 << 22 ? "a row would have more than 4 million of them" : null;
    }

    /// <summary>Tells how much work a row is: for each leaf the square of the steps that lead there, which are taken out one by one, and
    /// what is written. A step takes some four nanoseconds.</summary>
    public static long CountSteps(TreeEnsemble forest)
    {
        var steps = (long)forest.OutputCount * (forest.FeatureCount + 1);
        foreach (var tree in forest.Trees)
        {
            var waiting = new Stack<(int Node, int Length)>([(tree.Root, 1)]);
            while (waiting.TryPop(out var place))
            {
                var (node, length) = place;
                steps += length;
                if (node < 0)
                {
                    steps += (long)(length - 1) * (length + tree.LeafWidth);
                    continue;
                }

                waiting.Push((tree.Left[node], length + 1));
                waiting.Push((tree.Right[node], length + 1));
            }
        }

        return steps;
    }

    /// <summary>Finds the contributions of one row.</summary>
    /// <param name="row">One value per feature, made fit (<see cref="ReferenceEvaluator.Normalise"/>).</param>
    /// <param name="values"><see cref="Width"/> values: output by output, features first; overwritten.</param>
    public void Find(ReadOnlySpan<double> row, Span<double> values)
    {
        values.Clear();
        var stride = _forest.FeatureCount + 1;
        if (_forest.Linear is { } linear)
        {
            Find(linear, row, values);
            return;
        }

        foreach (var tree in _forest.Trees)
            Follow(tree, tree.Root, row, values, 0, 0, new Step(-1, 1, 1, 0));
        var divisor = _forest.Aggregation == Aggregation.Average ? _forest.RoundStarts.Length - 1 : 1;
        var factor = (_forest.Scaling?.Factor ?? 1) / divisor;
        for (var output = 0; output < _forest.OutputCount; output++)
        {
            var own = values.Slice(output * stride, stride);
            own[^1] = _start[output];
            foreach (ref var value in own)
                value *= factor;
            own[^1] += _forest.BaseMargin[output] + (_forest.Scaling?.Bias[output] ?? 0);
        }
    }

    private void Find(LinearBooster linear, ReadOnlySpan<double> row, Span<double> values)
    {
        var (outputs, stride) = (_forest.OutputCount, _forest.FeatureCount + 1);
        for (var output = 0; output < outputs; output++)
        {
            for (var i = 0; i < row.Length; i++)
                values[(output * stride) + i] = double.IsNaN(row[i]) ? 0 : row[i] * linear.Weights[(i * outputs) + output];
            values[((output + 1) * stride) - 1] = linear.Bias[output] + _forest.BaseMargin[output];
        }
    }

    private static double Expected(ForestTree tree, int node, int output)
    {
        if (node < 0)
            return tree.LeafValues[(~node * tree.LeafWidth) + output];
        return (Share(tree, node, tree.Left[node]) * Expected(tree, tree.Left[node], output))
            + (Share(tree, node, tree.Right[node]) * Expected(tree, tree.Right[node], output));
    }

    /// <summary>Part of the rows of a node that went on to a child.</summary>
    private static double Share(ForestTree tree, int node, int child)
    {
        var cover = tree.Cover!;
        return cover[node] == 0 ? 0 : cover[child < 0 ? tree.NodeCount + ~child : child] / cover[node];
    }

    /// <param name="tree">The tree.</param>
    /// <param name="node">Where it goes on.</param>
    /// <param name="row">The row.</param>
    /// <param name="values">Where contributions are added.</param>
    /// <param name="from">The parent's path in the buffer.</param>
    /// <param name="length">Its length.</param>
    /// <param name="step">What led here.</param>
    private void Follow(ForestTree tree, int node, ReadOnlySpan<double> row, Span<double> values, int from, int length, in Step step)
    {
        var start = from + length;
        Array.Copy(_paths, from, _paths, start, length);
        var path = _paths.AsSpan(start, length + 1);
        Extend(path, step);
        if (node < 0)
        {
            Add(tree, ~node, path, values);
            return;
        }

        var feature = tree.Features[node];
        var value = row[feature];
        var goesLeft = double.IsNaN(value) ? tree.DefaultLeft[node]
            : tree.Categories?[node] is { } set ? set.GoesLeft(value)
            : value <= tree.Thresholds[node];
        var (taken, other) = goesLeft ? (tree.Left[node], tree.Right[node]) : (tree.Right[node], tree.Left[node]);
        var (zero, one) = (1.0, 1.0);
        for (var i = 1; i < path.Length; i++)
        {
            if (path[i].Feature != feature)
                continue;
            (zero, one) = (path[i].Zero, path[i].One);
            Unwind(path, i);
            path = path[..^1];
            break;
        }

        Follow(tree, taken, row, values, start, path.Length, new Step(feature, zero * Share(tree, node, taken), one, 0));
        Follow(tree, other, row, values, start, path.Length, new Step(feature, zero * Share(tree, node, other), 0, 0));
    }

    private void Add(ForestTree tree, int leaf, ReadOnlySpan<Step> path, Span<double> values)
    {
        var stride = _forest.FeatureCount + 1;
        for (var i = 1; i < path.Length; i++)
        {
            var share = UnwoundSum(path, i) * (path[i].One - path[i].Zero) * (tree.Weight ?? 1f);
            for (var j = 0; j < tree.LeafWidth; j++)
                values[((tree.LeafWidth == 1 ? tree.Output : j) * stride) + path[i].Feature] += share * tree.LeafValues[(leaf * tree.LeafWidth) + j];
        }
    }

    /// <summary>Adds a step: weights become those of subsets of one feature more.</summary>
    private static void Extend(Span<Step> path, in Step step)
    {
        var last = path.Length - 1;
        path[last] = step with { Weight = last == 0 ? 1 : 0 };
        for (var i = last - 1; i >= 0; i--)
        {
            path[i + 1].Weight += step.One * path[i].Weight * (i + 1) / (last + 1);
            path[i].Weight = step.Zero * path[i].Weight * (last - i) / (last + 1);
        }
    }

    /// <summary>Takes a step out again; the last element is unused then.</summary>
    private static void Unwind(Span<Step> path, int index)
    {
        var last = path.Length - 1;
        var (zero, one) = (path[index].Zero, path[index].One);
        var next = path[last].Weight;
        for (var i = last - 1; i >= 0; i--)
        {
            if (one != 0)
            {
                var weight = path[i].Weight;
                path[i].Weight = next * (last + 1) / ((i + 1) * one);
                next = weight - (path[i].Weight * zero * (last - i) / (last + 1));
            }
            else if (zero != 0)
            {
                path[i].Weight = path[i].Weight * (last + 1) / (zero * (last - i));
            }
        }

        for (var i = index; i < last; i++)
            path[i] = path[i + 1] with { Weight = path[i].Weight };
    }

    /// <summary>Sum of the weights as if a step had been taken out.</summary>
    private static double UnwoundSum(ReadOnlySpan<Step> path, int index)
    {
        var last = path.Length - 1;
        var (zero, one) = (path[index].Zero, path[index].One);
        var (next, total) = (path[last].Weight, 0.0);
        for (var i = last - 1; i >= 0; i--)
        {
            if (one != 0)
            {
                var weight = next * (last + 1) / ((i + 1) * one);
                total += weight;
                next = path[i].Weight - (weight * zero * (last - i) / (last + 1));
            }
            else if (zero != 0)
            {
                total += path[i].Weight / zero * (last + 1) / (last - i);
            }
        }

        return total;
    }

    /// <summary>A feature on the way to a leaf.</summary>
    /// <param name="Feature">Its column; below 0 for the beginning.</param>
    /// <param name="Zero">Share of the rows that take this way when the feature is unknown.</param>
    /// <param name="One">1 when the row takes it, else 0.</param>
    /// <param name="Weight">Of the subsets with as many features as the step's index.</param>
    private record struct Step(int Feature, double Zero, double One, double Weight);
}
