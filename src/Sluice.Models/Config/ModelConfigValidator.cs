using System.Collections.Immutable;
using Sluice.Protocol.Inference;
using Sluice.Tensors;
using DataType = Sluice.Protocol.Inference.DataType;
using Kind = Sluice.Protocol.Inference.ModelInstanceGroup.Types.Kind;

namespace Sluice.Models;

/// <summary>Checks a completed configuration by itself; collects every fault.</summary>
internal static class ModelConfigValidator
{
    // As large a time as a histogram can tell from others.
    private const double MostBound = 1e15;

    /// <returns>One sentence per fault; empty when the configuration holds.</returns>
    public static IReadOnlyList<string> Validate(ModelConfig config, ImmutableArray<int> usableGpus)
    {
        var errors = new List<string>();
        if (config.MaxBatchSize < 0)
            errors.Add($"'max_batch_size' must be non-negative value for {config.Name}");
        if (config.Backend.Length == 0 && config.Platform != "ensemble")
            errors.Add($"model '{config.Name}' names neither 'backend' nor 'platform'");
        if (config.VersionPolicy is { Latest.NumVersions: 0 })
            errors.Add($"'version_policy.latest.num_versions' of '{config.Name}' must be at least 1");

        ValidateTensors(config, errors);
        ValidateBatching(config, errors);
        ValidateGroups(config, usableGpus, errors);
        SequenceConfigValidator.Validate(config, errors);
        ValidateMetrics(config, errors);
        ValidateEnsemble(config, errors);
        ValidateWarmUp(config, errors);
        if (config.ResponseCache is { Enable: true } && config.ModelTransactionPolicy is { Decoupled: true })
            errors.Add($"model '{config.Name}' is decoupled, so it cannot have 'response_cache'");
        if (config.ResponseCache is { Enable: true } && config.SequenceBatching is not null)
            errors.Add($"model '{config.Name}' has 'sequence_batching', so it cannot have 'response_cache'");
        return errors;
    }

    private static void ValidateMetrics(ModelConfig config, List<string> errors)
    {
        var controls = config.ModelMetrics?.MetricControl ?? [];
        foreach (var control in controls)
        {
            var place = $"'model_metrics' of model '{config.Name}'";
            var buckets = control.HistogramOptions?.Buckets ?? [];
            if (control.MetricIdentifier is not { Family.Length: > 0 } identifier)
                errors.Add($"{place} names no family");
            else if (controls.Count(other => other.MetricIdentifier?.Family == identifier.Family) > 1)
                errors.Add($"{place} names family '{identifier.Family}' more than once");
            else if (buckets.Any(bound => !(bound > 0 && bound < MostBound)) || !buckets.SequenceEqual(buckets.Distinct().Order()))
                errors.Add($"{place} needs ascending buckets above 0 for family '{identifier.Family}', not {string.Join(", ", buckets)}");
        }
    }

    private static void ValidateTensors(ModelConfig config, List<string> errors)
    {
        foreach (var input in config.Input)
            ValidateTensor(config, "input", (input.Name, input.DataType, input.Dims, input.Reshape?.Shape), errors);
        foreach (var output in config.Output)
            ValidateTensor(config, "output", (output.Name, output.DataType, output.Dims, output.Reshape?.Shape), errors);

        AddDuplicates(config, "input", config.Input.Select(i => i.Name), errors);
        AddDuplicates(config, "output", config.Output.Select(o => o.Name), errors);
    }

    private static void ValidateTensor(
        ModelConfig config,
        string role,
        (string Name, DataType Type, IList<long> Dims, IList<long>? Reshape) tensor,
        List<string> errors)
    {
        var place = $"{role} '{tensor.Name}' of model '{config.Name}'";
        if (tensor.Name.Length == 0)
            errors.Add($"model {role} must specify 'name' (model '{config.Name}')");
        if (tensor.Type == DataType.TypeInvalid)
            errors.Add($"model {role} must specify 'data_type' ({place})");
        if (tensor.Dims.Count == 0)
            errors.Add($"model {role} must specify 'dims' ({place})");
        if (tensor.Dims.Concat(tensor.Reshape ?? []).Any(d => d < -1))
            errors.Add($"model {role} dimension must be a size or -1 to indicate a variable-size dimension ({place})");
        if (tensor.Dims.Count >= Shape.MaxRank || tensor.Reshape?.Count >= Shape.MaxRank)
            errors.Add($"{place} has too many dimensions; {Shape.MaxRank - 1} are allowed beside the batch dimension");
        if (tensor.Reshape is { } reshape && !SameSize(tensor.Dims, reshape))
            errors.Add($"model {role} has different size for dims and reshape ({place})");
    }

    // Free dimensions must pair up; the fixed ones must multiply to the same number.
    private static bool SameSize(IList<long> dims, IList<long> reshape) =>
        dims.Count(d => d == -1) == reshape.Count(d => d == -1) && FixedProduct(dims) == FixedProduct(reshape);

    private static UInt128 FixedProduct(IList<long> dims) =>
        dims.Where(d => d >= 0).Aggregate(UInt128.One, (product, d) => unchecked(product * (UInt128)d));

    private static void AddDuplicates(
        ModelConfig config, string role, IEnumerable<string> names, List<string> errors) =>
        errors.AddRange(names.GroupBy(n => n).Where(g => g.Count() > 1)
            .Select(g => $"{role} '{g.Key}' is listed more than once for model '{config.Name}'"));

    private static void ValidateBatching(ModelConfig config, List<string> errors)
    {
        if (config.DynamicBatching is not { } batching)
            return;

        if (batching.PreferredBatchSize.Any(s => s <= 0))
            errors.Add($"dynamic batching preferred size must be positive for {config.Name}");
        if (batching.PreferredBatchSize.Any(s => s > config.MaxBatchSize))
            errors.Add($"dynamic batching preferred size must be <= max batch size for {config.Name}");

        const ulong MaxLevels = 1024;
        var levels = batching.PriorityLevels;
        if (levels > MaxLevels)
            errors.Add($"'priority_levels' must be at most {MaxLevels} for {config.Name}");
        if (levels > 0 && (batching.DefaultPriorityLevel == 0 || batching.DefaultPriorityLevel > levels))
            errors.Add($"default priority level must be in range [1, {levels}] for {config.Name}");
        if (batching.PriorityQueuePolicy.Keys.Any(k => k == 0 || k > levels))
            errors.Add($"priority queue policy must have priority level in range [1, {levels}] for {config.Name}");
    }

    private static void ValidateWarmUp(ModelConfig config, List<string> errors)
    {
        foreach (var sample in config.ModelWarmup)
        {
            var place = $"warm-up sample '{sample.Name}' of model '{config.Name}'";
            if (sample.Inputs.Count == 0)
                errors.Add($"{place} has no inputs");
            if (sample.BatchSize > Math.Max(1, config.MaxBatchSize))
                errors.Add($"{place} has batch_size {sample.BatchSize}, more than the model's max_batch_size {config.MaxBatchSize}");
            errors.AddRange(sample.Inputs.Where(input => input.Value.DataType == DataType.TypeInvalid)
                .Select(input => $"input '{input.Key}' of {place} must have 'data_type'"));
            errors.AddRange(sample.Inputs.Where(input => input.Value.Dims.Any(dimension => dimension < 0))
                .Select(input => $"input '{input.Key}' of {place} has a dimension below 0"));
            errors.AddRange(sample.Inputs.Where(input => input.Value.InputDataTypeCase == ModelWarmup.Types.Input.InputDataTypeOneofCase.None)
                .Select(input => $"input '{input.Key}' of {place} must have one of zero_data, random_data and input_data_file"));
        }
    }

    private static void ValidateEnsemble(ModelConfig config, List<string> errors)
    {
        if (config.EnsembleScheduling is not { } ensemble)
            return;

        if (config.InstanceGroup.Count > 0)
            errors.Add($"ensemble '{config.Name}' has no instances of its own, so it cannot have 'instance_group'");
        if (config.Output.Count == 0)
            errors.Add($"ensemble '{config.Name}' must list its outputs");
        for (var i = 0; i < ensemble.Step.Count; i++)
        {
            var step = ensemble.Step[i];
            if (step.ModelName.Length == 0)
                errors.Add($"step {i} of ensemble '{config.Name}' must have 'model_name'");
            if (step.ModelVersion < -1)
                errors.Add($"step {i} of ensemble '{config.Name}' has model_version {step.ModelVersion}; it must be a version or -1");
            if (step.InputMap.Concat(step.OutputMap).Any(pair => pair.Key.Length == 0 || pair.Value.Length == 0))
                errors.Add($"step {i} of ensemble '{config.Name}' maps an empty name");
        }
    }

    private static void ValidateGroups(ModelConfig config, ImmutableArray<int> usableGpus, List<string> errors)
    {
        foreach (var group in config.InstanceGroup)
        {
            var place = $"instance group {group.Name} of model {config.Name}";
            var kind = group.Kind == Kind.Cpu ? "KIND_CPU" : "KIND_MODEL";
            if (group.Kind == Kind.Gpu && group.Gpus.Count == 0)
                errors.Add($"{place} has kind KIND_GPU but no GPUs are available");
            if (group.Kind != Kind.Gpu && group.Gpus.Count > 0)
                errors.Add($"{place} has kind {kind} but specifies one or more GPUs");
            errors.AddRange(group.Gpus.Where(g => group.Kind == Kind.Gpu && !usableGpus.Contains(g))
                .Select(g => $"{place} specifies invalid or unsupported gpu id {g}"));
        }

        errors.AddRange(config.InstanceGroup.GroupBy(g => g.Name).Where(g => g.Count() > 1)
            .Select(g => $"instance group '{g.Key}' is listed more than once for model '{config.Name}'"));
    }
}
