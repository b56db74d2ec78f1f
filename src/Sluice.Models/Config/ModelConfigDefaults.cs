using System.Collections.Immutable;
using Sluice.Protocol.Inference;
using Kind = Sluice.Protocol.Inference.ModelInstanceGroup.Types.Kind;

namespace Sluice.Models;

/// <summary>Writes defaults into a configuration, so that what is in force can be read from it (spec §3.2).</summary>
internal static class ModelConfigDefaults
{
    private const ulong DefaultSequenceIdleMicroseconds = 1_000_000;

    /// <summary>Fills version policy, optimisation, scheduler and instance groups in place.</summary>
    public static void Apply(ModelConfig config, ImmutableArray<int> usableGpus)
    {
        ApplyVersionPolicy(config);
        ApplyOptimization(config);
        if (config.DynamicBatching is { PreferredBatchSize.Count: 0 } batching && config.MaxBatchSize > 0)
            batching.PreferredBatchSize.Add(config.MaxBatchSize);
        if (config.SequenceBatching is { } sequence)
            ApplySequence(sequence, config.MaxBatchSize);
        if (config.SchedulingChoiceCase != ModelConfig.SchedulingChoiceOneofCase.EnsembleScheduling)
            ApplyInstanceGroups(config, usableGpus);
    }

    /// <summary>Serves the highest version when nothing is said.</summary>
    public static void ApplyVersionPolicy(ModelConfig config)
    {
        config.VersionPolicy ??= new ModelVersionPolicy();
        if (config.VersionPolicy.PolicyChoiceCase == ModelVersionPolicy.PolicyChoiceOneofCase.None)
            config.VersionPolicy.Latest = new ModelVersionPolicy.Types.Latest { NumVersions = 1 };
    }

    private static void ApplyOptimization(ModelConfig config)
    {
        var optimization = config.Optimization ??= new ModelOptimizationPolicy();
        optimization.InputPinnedMemory ??= new ModelOptimizationPolicy.Types.PinnedMemoryBuffer { Enable = true };
        optimization.OutputPinnedMemory ??= new ModelOptimizationPolicy.Types.PinnedMemoryBuffer { Enable = true };
    }

    private static void ApplySequence(ModelSequenceBatching sequence, int maxBatchSize)
    {
        if (sequence.MaxSequenceIdleMicroseconds == 0)
            sequence.MaxSequenceIdleMicroseconds = DefaultSequenceIdleMicroseconds;
        if (sequence.Oldest is not { } oldest)
            return;

        if (oldest.MaxCandidateSequences == 0)
            oldest.MaxCandidateSequences = 1;
        if (oldest.PreferredBatchSize.Count == 0 && maxBatchSize > 0)
            oldest.PreferredBatchSize.Add(maxBatchSize);
    }

    private static void ApplyInstanceGroups(ModelConfig config, ImmutableArray<int> usableGpus)
    {
        if (config.InstanceGroup.Count == 0)
            config.InstanceGroup.Add(new ModelInstanceGroup { Name = config.Name });

        for (var i = 0; i < config.InstanceGroup.Count; i++)
        {
            var group = config.InstanceGroup[i];
            if (group.Name.Length == 0)
                group.Name = $"{config.Name}_{i}";
            if (group.Kind == Kind.Auto)
                group.Kind = group.Gpus.Count > 0 || usableGpus.Length > 0 ? Kind.Gpu : Kind.Cpu;
            if (group.Kind == Kind.Gpu && group.Gpus.Count == 0)
                group.Gpus.AddRange(usableGpus);
            // Stock servers give ONNX Runtime two instances on a CPU; clients read it from ModelConfig (spec §0, 7).
            if (group.Count < 1)
                group.Count = group.Kind == Kind.Cpu && config.Backend == "onnxruntime" ? 2 : 1;
        }
    }
}
