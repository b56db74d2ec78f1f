using System.Globalization;
using Sluice.Backends.Forest.Engine;
using Sluice.Backends.Forest.Trees;
using Sluice.Inference;

namespace Sluice.Backends.Forest;

/// <summary>A model's parameters for this engine, read and checked; README.md lists them.</summary>
internal sealed record ForestParameters
{
    private static readonly Dictionary<string, ForestOutputKind> Kinds = new(StringComparer.Ordinal)
    {
        ["prediction"] = ForestOutputKind.Prediction,
        ["margin"] = ForestOutputKind.Margin,
        ["raw"] = ForestOutputKind.Margin,
        ["probability"] = ForestOutputKind.Probability,
        ["class"] = ForestOutputKind.Class,
        ["leaf"] = ForestOutputKind.Leaf,
        ["contributions"] = ForestOutputKind.Contributions,
        ["score_samples"] = ForestOutputKind.Samples,
    };

    private const int MaxThreads = 256;

    // Some 40 seconds of one core.
    private const long DefaultContributionSteps = 10_000_000_000;
    private static readonly string[] Libraries = ["xgboost", "lightgbm", "catboost"];

    /// <summary>Of each output, in the order of the configuration.</summary>
    public IReadOnlyList<ForestOutputKind> Outputs { get; private init; } = [ForestOutputKind.Prediction];

    /// <summary>A value that counts as missing; NaN = none but NaN.</summary>
    public double Missing { get; private init; } = double.NaN;

    /// <summary>A binary model's class is 1 above this.</summary>
    public double Threshold { get; private init; } = ScoreFinish.PlainThreshold;

    /// <summary>Most threads that share a large batch.</summary>
    public int Threads { get; private init; } = 1;

    /// <summary>Most work that contributions of one batch may be (<see cref="Engine.Contributions.CountSteps"/>).</summary>
    public long ContributionSteps { get; private init; } = DefaultContributionSteps;

    /// <summary>Rounds that are used; null = all.</summary>
    public (int From, int To)? Rounds { get; private init; }

    /// <summary>Reads the parameters.</summary>
    /// <exception cref="InferenceException">One is wrong; the message names it.</exception>
    public static ForestParameters Read(ModelSettings settings, TreeEnsemble forest)
    {
        CheckType(settings, forest);
        var parameters = new ForestParameters
        {
            Missing = Number(settings, "missing", double.NaN),
            Threshold = Number(settings, "threshold", ScoreFinish.PlainThreshold),
            Rounds = ReadRounds(settings, forest),
            Threads = (int)Whole(settings, "threads", 1, MaxThreads),
            ContributionSteps = Whole(settings, "contribution_steps", DefaultContributionSteps, long.MaxValue),
            Outputs = ReadOutputs(settings, forest.Signature),
        };
        foreach (var kind in parameters.Outputs)
            CheckKind(settings, forest, kind);
        return parameters;
    }

    /// <summary>Lets the configuration say what makes probabilities of the score, where the file does not.</summary>
    /// <exception cref="InferenceException">It is wrong.</exception>
    public static TreeEnsemble Configure(ModelSettings settings, TreeEnsemble forest)
    {
        if (!settings.Parameters.TryGetValue("transform", out var text))
            return forest;
        if (forest.Onnx is not null || forest.Isolation is not null || forest.HasProbabilities)
            throw InferenceException.Invalid($"model '{settings.Name}': parameter 'transform' is '{text}', and its file says what its scores mean");
        return forest with
        {
            Probabilities = text switch
            {
                "sigmoid" => new Transform(TransformKind.Sigmoid),
                "softmax" when forest.OutputCount > 1 => new Transform(TransformKind.Softmax),
                "softmax" => throw Wrong(settings, "transform", text, "sigmoid for a model of one output"),
                _ => throw Wrong(settings, "transform", text, "sigmoid or softmax"),
            },
        };
    }

    /// <summary>Keeps the rounds that are used.</summary>
    public TreeEnsemble Apply(TreeEnsemble forest)
    {
        if (Rounds is not var (from, to))
            return forest;
        var starts = forest.RoundStarts[from..(to + 1)];
        return forest with
        {
            Trees = forest.Trees[starts[0]..starts[^1]],
            RoundStarts = Array.ConvertAll(starts, start => start - starts[0]),
        };
    }

    private static ForestOutputKind[] ReadOutputs(ModelSettings settings, ForestSignature? signature)
    {
        if (settings.Parameters.TryGetValue("outputs", out var text))
        {
            return Array.ConvertAll(text.Split(',', StringSplitOptions.TrimEntries), name => Kinds.TryGetValue(name, out var kind)
                ? kind
                : throw Wrong(settings, "outputs", name, $"one of {string.Join(", ", Kinds.Keys)}"));
        }

        if (signature is not null && !settings.Parameters.ContainsKey("predict_proba") && !settings.Parameters.ContainsKey("output_class"))
        {
            var names = settings.Outputs.Length > 0 ? settings.Outputs.Select(output => output.Name) : signature.Outputs.Select(output => output.Name);
            return [.. names.Select(name => Array.Find(signature.Outputs, output => output.Name == name)?.Kind
                ?? throw InferenceException.Invalid($"model '{settings.Name}': its file has no output '{name}'"))];
        }

        var first = Flag(settings, "predict_proba") ? ForestOutputKind.Probability
            : Flag(settings, "output_class") ? ForestOutputKind.Class
            : ForestOutputKind.Prediction;
        return settings.Outputs.Length <= 1
            ? [first]
            : [.. settings.Outputs.Select(output => output.Name == "output__0" ? first : Kinds.TryGetValue(output.Name, out var kind)
                ? kind
                : throw InferenceException.Invalid(
                    $"model '{settings.Name}': nothing says what output '{output.Name}' holds; name it {string.Join(", ", Kinds.Keys)}, " +
                    "or list the outputs' kinds in parameter 'outputs'"))];
    }

    private static void CheckKind(ModelSettings settings, TreeEnsemble forest, ForestOutputKind kind)
    {
        if (kind == ForestOutputKind.Probability && !forest.HasProbabilities)
            throw InferenceException.Invalid($"model '{settings.Name}': objective '{forest.Objective}' gives no probabilities");
        if (kind == ForestOutputKind.Class && !forest.IsClassifier)
            throw InferenceException.Invalid($"model '{settings.Name}': objective '{forest.Objective}' has no classes");
        if (kind == ForestOutputKind.Samples && forest.Isolation is null)
            throw InferenceException.Invalid($"model '{settings.Name}': only isolation forests have score_samples");
        if (kind == ForestOutputKind.Contributions && Contributions.WhyNot(forest) is { } reason)
            throw InferenceException.Invalid($"model '{settings.Name}': contributions cannot be given: {reason}");
        if (kind == ForestOutputKind.Leaf && forest.Linear is not null)
            throw InferenceException.Invalid($"model '{settings.Name}': a linear booster has no leaves");
    }

    private static void CheckType(ModelSettings settings, TreeEnsemble forest)
    {
        var type = settings.Parameters.GetValueOrDefault("model_type", "");
        var expected = Array.IndexOf(Libraries, settings.Backend) >= 0 ? settings.Backend : type.Split('_')[0];
        var isLibrary = Array.IndexOf(Libraries, expected) >= 0;
        if (isLibrary && !forest.Source.StartsWith(expected, StringComparison.OrdinalIgnoreCase))
        {
            throw InferenceException.Invalid(
                $"model '{settings.Name}': its configuration says {expected}, its file is of {forest.Source}");
        }

        if (type.Length > 0 && !isLibrary)
            throw Wrong(settings, "model_type", type, "xgboost, xgboost_json, xgboost_ubj, lightgbm or catboost");
    }

    private static (int From, int To)? ReadRounds(ModelSettings settings, TreeEnsemble forest)
    {
        if (!settings.Parameters.TryGetValue("iteration_range", out var text))
            return null;
        if (forest.Isolation is not null)
            throw Wrong(settings, "iteration_range", text, "absent: an isolation forest's scores are of all its trees");
        var rounds = forest.RoundStarts.Length - 1;
        return text.Split(',', StringSplitOptions.TrimEntries) is [var first, var last]
            && int.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out var from)
            && int.TryParse(last, NumberStyles.None, CultureInfo.InvariantCulture, out var to) && from < (to == 0 ? rounds : to) && to <= rounds
                ? (from, to == 0 ? rounds : to)
                : throw Wrong(settings, "iteration_range", text, $"FROM,TO with 0 <= FROM < TO <= {rounds}, or TO 0 for all");
    }

    private static long Whole(ModelSettings settings, string key, long fallback, long most)
    {
        if (!settings.Parameters.TryGetValue(key, out var text))
            return fallback;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= 1 && number <= most
            ? number : throw Wrong(settings, key, text, $"a whole number from 1 to {most}");
    }

    private static bool Flag(ModelSettings settings, string key)
    {
        if (!settings.Parameters.TryGetValue(key, out var text))
            return false;
        return text.ToUpperInvariant() switch
        {
            "TRUE" or "1" => true,
            "FALSE" or "0" or "" => false,
            _ => throw Wrong(settings, key, text, "true or false"),
        };
    }

    private static double Number(ModelSettings settings, string key, double fallback)
    {
        if (!settings.Parameters.TryGetValue(key, out var text))
            return fallback;
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw Wrong(settings, key, text, "a number");
    }

    private static InferenceException Wrong(ModelSettings settings, string key, string value, string expected) =>
        InferenceException.Invalid($"model '{settings.Name}': parameter '{key}' is '{value}', it must be {expected}");
}
