using System.Collections.Immutable;
using System.Globalization;
using Sluice.Backends.Forest.Engine;
using Sluice.Backends.Forest.Trees;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.Forest;

/// <summary>A forest laid out for this machine; shared by its instances, which only read it.</summary>
internal sealed class ForestModel : IBackendModel
{
    /// <summary>Batch size of a configuration that names none: a row costs about a microsecond.</summary>
    private const int DefaultMaxBatchSize = 8192;

    private readonly ForestEngine<float>? _single;
    private readonly ForestEngine<double>? _double;
    private readonly long _contributionSteps;

    /// <param name="forest">The rounds that are used.</param>
    /// <param name="parameters">What is wanted of it.</param>
    /// <param name="draft">The configuration so far; may name and type the tensors.</param>
    public ForestModel(TreeEnsemble forest, ForestParameters parameters, ModelSettings draft)
    {
        Forest = forest;
        LabelTexts = [.. (forest.Labels?.Texts ?? []).Select(System.Text.Encoding.UTF8.GetBytes)];
        Parameters = parameters;
        if (parameters.Outputs.Contains(ForestOutputKind.Contributions))
        {
            _contributionSteps = Contributions.CountSteps(forest);
            CheckContributions(draft, 1);
        }

        if (forest.IsDouble)
            _double = new ForestEngine<double>(forest, threads: parameters.Threads);
        else
            _single = new ForestEngine<float>(forest, threads: parameters.Threads);
        Description = new ModelDescription([Input(draft)], Outputs(draft)) { DefaultMaxBatchSize = DefaultMaxBatchSize };
    }

    public TreeEnsemble Forest { get; }

    public ForestParameters Parameters { get; }

    public ModelDescription Description { get; }

    /// <summary>Names of the classes as UTF-8; empty when they are numbers.</summary>
    public byte[][] LabelTexts { get; }

    /// <summary>For the log.</summary>
    public string Summary
    {
        get
        {
            var (name, bytes) = _double is { } engine
                ? (engine.Kernel.Name, engine.Kernel.ByteSize)
                : (_single!.Kernel.Name, _single.Kernel.ByteSize);
            return string.Create(
                CultureInfo.InvariantCulture,
                $"{Forest.Source}, {Forest.Objective}, {Forest.Trees.Length} trees, {Forest.FeatureCount} features; {name}, {bytes / 1024} KiB");
        }
    }

    public IModelInstance CreateInstance(ModelSettings settings, InstancePlacement placement)
    {
        if (settings.Inputs.Length != 1)
            throw InferenceException.Invalid($"model '{settings.Name}': it has one input, the configuration names {settings.Inputs.Length}");
        return _double is { } engine
            ? new ForestInstance<double>(this, engine, settings)
            : new ForestInstance<float>(this, _single!, settings);
    }

    public void Dispose()
    {
    }

    /// <summary>Refuses contributions of more rows than the limit allows, before any work.</summary>
    /// <exception cref="InferenceException"><see cref="InferenceCode.InvalidArgument"/>.</exception>
    public void CheckContributions(ModelSettings settings, int rowCount)
    {
        var steps = (Int128)_contributionSteps * rowCount;
        if (steps > Parameters.ContributionSteps)
        {
            throw InferenceException.Invalid(
                $"model '{settings.Name}': contributions of {rowCount} {(rowCount == 1 ? "row" : "rows")} take {steps} steps, "
                + $"its parameter 'contribution_steps' allows {Parameters.ContributionSteps}");
        }
    }

    /// <summary>Columns of an output.</summary>
    public int Width(ForestOutputKind kind) => kind switch
    {
        ForestOutputKind.Prediction when Forest.PredictsClass => 1,
        ForestOutputKind.Prediction => Forest.Transform.Width(Forest.OutputCount),
        ForestOutputKind.Margin => Forest.OutputCount,
        ForestOutputKind.Probability => Math.Max(2, Forest.OutputCount),
        ForestOutputKind.Leaf => Forest.Trees.Length,
        ForestOutputKind.Contributions => Forest.OutputCount * (Forest.FeatureCount + 1),
        _ => 1,
    };

    /// <summary>Dimensions of an output: <c>[rows, columns]</c>, but the labels of ONNX are <c>[rows]</c>, and contributions to several
    /// outputs <c>[rows, outputs, features + 1]</c>.</summary>
    public Shape ShapeOf(ForestOutputKind kind, long rows) => kind switch
    {
        ForestOutputKind.Class when Forest.Signature is not null => Shape.Create([rows]),
        ForestOutputKind.Contributions when Forest.OutputCount > 1 => Shape.Create([rows, Forest.OutputCount, Forest.FeatureCount + 1]),
        _ => Shape.Create([rows, Width(kind)]),
    };

    /// <summary>Names of the classes where an output holds them by name; null = it holds numbers.</summary>
    public ClassLabels? LabelsOf(ForestOutputKind kind) =>
        kind == ForestOutputKind.Class || (kind == ForestOutputKind.Prediction && Forest.PredictsClass) ? Forest.Labels : null;

    private static bool IsFloat(DataType type) => type is DataType.Fp32 or DataType.Fp64;

    private TensorDescription Input(ModelSettings draft)
    {
        var own = Forest.IsDouble ? DataType.Fp64 : DataType.Fp32;
        var configured = draft.Inputs.FirstOrDefault();
        if (Forest.Signature is { } signature)
            own = signature.InputType;
        long width = Forest.FeatureCount;
        if (configured is { Dims: [.., var asked] } && asked >= 0 && asked < width)
            width = asked;
        return new TensorDescription
        {
            Name = configured?.Name ?? Forest.Signature?.Input ?? "input__0",
            DataType = configured is not null && (IsFloat(configured.DataType) || configured.DataType is DataType.Int32 or DataType.Int64)
                ? configured.DataType : own,
            Dims = [-1, width],
            AcceptsFewer = true,
        };
    }

    private ImmutableArray<TensorDescription> Outputs(ModelSettings draft)
    {
        var kinds = Parameters.Outputs;
        if (draft.Outputs.Length > kinds.Count)
        {
            throw InferenceException.Invalid(
                $"model '{draft.Name}': parameter 'outputs' names {kinds.Count} kinds for {draft.Outputs.Length} outputs");
        }

        return [.. kinds.Select((kind, i) => new TensorDescription
        {
            Name = i < draft.Outputs.Length ? draft.Outputs[i].Name : InFile(kind)?.Name ?? $"output__{i}",
            DataType = TypeOf(kind, i < draft.Outputs.Length ? draft.Outputs[i].DataType : InFile(kind)?.Type ?? DataType.Invalid),
            Dims = [-1, .. Enumerable.Range(1, ShapeOf(kind, 1).Rank - 1).Select(i => ShapeOf(kind, 1)[i])],
        })];
    }

    /// <summary>The output of a kind as the file names it.</summary>
    private ForestSignatureOutput? InFile(ForestOutputKind kind) => Forest.Signature is { } signature
        ? Array.Find(signature.Outputs, output => output.Kind == kind) : null;

    private DataType TypeOf(ForestOutputKind kind, DataType configured)
    {
        var own = Forest.IsDouble ? DataType.Fp64 : DataType.Fp32;
        if (LabelsOf(kind) is { } labels)
        {
            if (labels.Texts.Length > 0)
                return DataType.Bytes;
            own = DataType.Int64;
        }

        var isWhole = kind is ForestOutputKind.Leaf or ForestOutputKind.Class || LabelsOf(kind) is not null;
        if (isWhole && configured is DataType.Int32 or DataType.Int64)
            return configured;
        return kind == ForestOutputKind.Leaf ? DataType.Int32 : IsFloat(configured) ? configured : own;
    }
}
