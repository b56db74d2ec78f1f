using System.Collections.Immutable;
using Google.Protobuf;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using DataType = Sluice.Tensors.DataType;
using Kind = Sluice.Protocol.Inference.ModelInstanceGroup.Types.Kind;

namespace Sluice.Models;

/// <summary>Turns a configuration into the settings that engines and schedulers read.</summary>
internal static class ModelSettingsFactory
{
    private static readonly JsonFormatter Json =
        new(JsonFormatter.Settings.Default.WithPreserveProtoFieldNames(true).WithFormatDefaultValues(true));

    /// <param name="config">As complete as it is; not changed.</param>
    /// <param name="version">Version and folders.</param>
    /// <param name="backendConfig">The operator's settings for the engine.</param>
    /// <param name="engineCode">The engine's code, where it is Python code that models share.</param>
    public static ModelSettings Create(
        ModelConfig config, ModelVersionFolder version, ImmutableDictionary<string, string> backendConfig, string? engineCode) => new()
        {
            Name = config.Name,
            Version = version.Text,
            Backend = config.Backend,
            Platform = config.Platform,
            ModelFolder = version.ModelFolder,
            VersionFolder = version.Path,
            EngineCode = engineCode,
            ModelFilename = FindModelFile(version.Path, config.DefaultModelFilename),
            MaxBatchSize = config.MaxBatchSize,
            Inputs = [.. config.Input.Select(Convert)],
            Outputs = [.. config.Output.Select(Convert)],
            InstanceGroups = [.. config.InstanceGroup.Where(g => !g.Passive).Select(Convert)],
            DynamicBatching = config.DynamicBatching is { } batching ? Convert(batching) : null,
            Ensemble = config.EnsembleScheduling is { } ensemble ? Convert(ensemble) : null,
            IsDecoupled = config.ModelTransactionPolicy is { Decoupled: true },
            UsesResponseCache = config.ResponseCache is { Enable: true },
            WarmUp = [.. config.ModelWarmup.Select(Convert)],
            Optimization = Convert(config.Optimization),
            Parameters = config.Parameters.ToImmutableDictionary(p => p.Key, p => p.Value.StringValue),
            MetricTags = config.MetricTags.ToImmutableDictionary(),

            // A draft is made before the configuration is checked.
            HistogramBounds = (config.ModelMetrics?.MetricControl ?? [])
                .Where(control => control is { HistogramOptions: not null, MetricIdentifier: not null })
                .DistinctBy(control => control.MetricIdentifier.Family)
                .ToImmutableDictionary(control => control.MetricIdentifier.Family, control => control.HistogramOptions.Buckets.ToImmutableArray()),
            BackendConfig = backendConfig,
            Sequence = SequenceSettingsFactory.Create(config),
            BatchInputs = [.. config.BatchInput.Select(SequenceSettingsFactory.Convert)],
            BatchOutputs = [.. config.BatchOutput.Select(SequenceSettingsFactory.Convert)],
            ConfigJson = engineCode is not null || BackendResolver.ShowsConfiguration(config.Backend) ? Json.Format(config) : "",
        };

    // A model with external data may be a folder that holds the file under the same name.
    private static string FindModelFile(string folder, string filename) =>
        filename.Length > 0 && Directory.Exists(Path.Combine(folder, filename))
            ? Path.Combine(filename, filename)
            : filename;

    private static TensorSettings Convert(ModelInput input) => new()
    {
        Name = input.Name,
        DataType = (DataType)input.DataType,
        Dims = [.. input.Dims],
        Reshape = input.Reshape is { } reshape ? [.. reshape.Shape] : null,
        IsOptional = input.Optional,
        AllowRaggedBatch = input.AllowRaggedBatch,
        IsShapeTensor = input.IsShapeTensor,
    };

    private static TensorSettings Convert(ModelOutput output) => new()
    {
        Name = output.Name,
        DataType = (DataType)output.DataType,
        Dims = [.. output.Dims],
        Reshape = output.Reshape is { } reshape ? [.. reshape.Shape] : null,
        IsShapeTensor = output.IsShapeTensor,
        LabelFilename = output.LabelFilename,
    };

    private static InstanceGroupSettings Convert(ModelInstanceGroup group) => new()
    {
        Name = group.Name,
        Kind = group.Kind switch
        {
            Kind.Gpu => InstanceKind.Gpu,
            Kind.Model => InstanceKind.Model,
            _ => InstanceKind.Cpu,
        },
        Count = Math.Max(1, group.Count),
        Gpus = [.. group.Gpus],
        RateLimit = group.RateLimiter is { Resources.Count: > 0 } limiter ? Convert(limiter) : null,
    };

    private static RateLimitSettings Convert(ModelRateLimiter limiter) => new()
    {
        Needs = [.. limiter.Resources.Select(resource => new RateLimitNeed(resource.Name, resource.Global, resource.Count))],
        Priority = (int)Math.Clamp(limiter.Priority, 1, 1 << 20),
    };

    private static WarmUpSettings Convert(ModelWarmup sample) => new()
    {
        Name = sample.Name,
        RowCount = (int)Math.Clamp(sample.BatchSize, 1, int.MaxValue),
        RunCount = (int)Math.Clamp(sample.Count, 1, int.MaxValue),
        Inputs = [.. sample.Inputs.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => new WarmUpInput(
            pair.Key, (DataType)pair.Value.DataType, [.. pair.Value.Dims],
            pair.Value.InputDataTypeCase switch
            {
                ModelWarmup.Types.Input.InputDataTypeOneofCase.InputDataFile => WarmUpSource.File,
                ModelWarmup.Types.Input.InputDataTypeOneofCase.RandomData => WarmUpSource.Random,
                _ => WarmUpSource.Zeros,
            },
            pair.Value.InputDataFile))],
    };

    private static EnsembleSettings Convert(ModelEnsembling ensemble) => new()
    {
        Steps = [.. ensemble.Step.Select(step => new EnsembleStepSettings(
            step.ModelName, step.ModelVersion,
            step.InputMap.ToImmutableSortedDictionary(StringComparer.Ordinal),
            step.OutputMap.ToImmutableSortedDictionary(StringComparer.Ordinal)))],
        MaxInflightRequests = (int)Math.Min(ensemble.MaxInflightRequests, int.MaxValue),
    };

    private static DynamicBatchingSettings Convert(ModelDynamicBatching batching) => new()
    {
        PreferredBatchSizes = [.. batching.PreferredBatchSize.Distinct().Order()],
        MaxQueueDelayMicroseconds = Clamp(batching.MaxQueueDelayMicroseconds),
        PreserveOrdering = batching.PreserveOrdering,
        PriorityLevels = (int)Math.Min(batching.PriorityLevels, int.MaxValue),
        DefaultPriorityLevel = (int)Math.Min(batching.DefaultPriorityLevel, int.MaxValue),
        DefaultQueuePolicy = Convert(batching.DefaultQueuePolicy),
        PriorityQueuePolicies = batching.PriorityQueuePolicy
            .Where(p => p.Key <= int.MaxValue)
            .ToImmutableDictionary(p => (int)p.Key, p => Convert(p.Value)),
    };

    private static QueuePolicySettings Convert(ModelQueuePolicy? policy) => policy is null ? new() : new()
    {
        TimeoutAction = policy.TimeoutAction == ModelQueuePolicy.Types.TimeoutAction.Delay
            ? QueueTimeoutAction.Delay
            : QueueTimeoutAction.Reject,
        DefaultTimeoutMicroseconds = Clamp(policy.DefaultTimeoutMicroseconds),
        AllowTimeoutOverride = policy.AllowTimeoutOverride,
        MaxQueueSize = (int)Math.Min(policy.MaxQueueSize, int.MaxValue),
    };

    private static OptimizationSettings Convert(ModelOptimizationPolicy? optimization) => new()
    {
        GraphLevel = optimization?.Graph?.Level,
        GpuAccelerators = Convert(optimization?.ExecutionAccelerators?.GpuExecutionAccelerator),
        CpuAccelerators = Convert(optimization?.ExecutionAccelerators?.CpuExecutionAccelerator),
    };

    private static ImmutableArray<AcceleratorSettings> Convert(
        IEnumerable<ModelOptimizationPolicy.Types.ExecutionAccelerators.Types.Accelerator>? accelerators) =>
        [.. (accelerators ?? []).Select(a => new AcceleratorSettings(a.Name, a.Parameters.ToImmutableDictionary()))];

    // Time arithmetic is done in signed numbers; 300 years stand for all longer waits.
    internal static long Clamp(ulong microseconds) => (long)Math.Min(microseconds, long.MaxValue / 1000);
}
