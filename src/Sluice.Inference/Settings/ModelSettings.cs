using System.Collections.Immutable;
using System.Text;

namespace Sluice.Inference;

/// <summary>A model version's configuration, read from its folder, normalised and completed; what engines and schedulers work from.</summary>
/// <remarks>
/// <para>The index of a tensor in <see cref="Inputs"/> or <see cref="Outputs"/> is its identity in the core: requests are
/// bound to these indexes once, and nothing after that compares names.</para>
/// <para><b>Threads.</b> Immutable.</para>
/// </remarks>
public sealed record ModelSettings
{
    private readonly string _name = "";
    private readonly string _version = "1";

    /// <summary>The model's name.</summary>
    public required string Name
    {
        get => _name;
        init
        {
            _name = value;
            NameUtf8 = Encoding.UTF8.GetBytes(value);
        }
    }

    /// <summary>The version, a decimal number without leading zero.</summary>
    public required string Version
    {
        get => _version;
        init
        {
            _version = value;
            VersionUtf8 = Encoding.UTF8.GetBytes(value);
        }
    }

    /// <summary><see cref="Name"/> as it goes on the wire.</summary>
    public byte[] NameUtf8 { get; private init; } = [];

    /// <summary><see cref="Version"/> as it goes on the wire.</summary>
    public byte[] VersionUtf8 { get; private init; } = [];

    /// <summary>Name of the engine, such as <c>onnxruntime</c>.</summary>
    public required string Backend { get; init; }

    /// <summary>The older name of the engine and format, such as <c>onnxruntime_onnx</c>; may be empty.</summary>
    public string Platform { get; init; } = "";

    /// <summary>Folder of the model, holding its configuration.</summary>
    public required string ModelFolder { get; init; }

    /// <summary>Folder of this version, holding the model file.</summary>
    public required string VersionFolder { get; init; }

    /// <summary>Name of the model file within <see cref="VersionFolder"/>.</summary>
    public required string ModelFilename { get; init; }

    /// <summary>File with the code of the model's engine, where that is Python code that models share; null = the engine is part of
    /// the server.</summary>
    public string? EngineCode { get; init; }

    /// <summary>Most rows of one execution; 0 = the model has no batch dimension.</summary>
    public int MaxBatchSize { get; init; }

    /// <summary>Inputs in configuration order.</summary>
    public ImmutableArray<TensorSettings> Inputs { get; init; } = [];

    /// <summary>Outputs in configuration order.</summary>
    public ImmutableArray<TensorSettings> Outputs { get; init; } = [];

    /// <summary>Instances to create; at least one group after completion.</summary>
    public ImmutableArray<InstanceGroupSettings> InstanceGroups { get; init; } = [];

    /// <summary>Set when requests may be joined to batches.</summary>
    public DynamicBatchingSettings? DynamicBatching { get; init; }

    /// <summary>The models that this one consists of; null = it has an engine.</summary>
    public EnsembleSettings? Ensemble { get; init; }

    /// <summary>The model may answer one request with any number of responses.</summary>
    public bool IsDecoupled { get; init; }

    /// <summary>Equal requests may be answered from the response cache, where the server has one.</summary>
    public bool UsesResponseCache { get; init; }

    /// <summary>Requests that every instance runs before the model is ready; empty = the server makes up its own.</summary>
    public ImmutableArray<WarmUpSettings> WarmUp { get; init; } = [];

    /// <summary>Graph level and accelerators.</summary>
    public OptimizationSettings Optimization { get; init; } = new();

    /// <summary>The configuration's free parameters.</summary>
    public ImmutableDictionary<string, string> Parameters { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>Extra labels of the model's metrics, without their leading underscore.</summary>
    public ImmutableDictionary<string, string> MetricTags { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>Upper bounds of histograms, ascending, by metric family (<c>model_metrics</c>); other families have their usual ones.</summary>
    public ImmutableDictionary<string, ImmutableArray<double>> HistogramBounds { get; init; } =
        ImmutableDictionary<string, ImmutableArray<double>>.Empty;

    /// <summary>Engine-wide settings given to the server (<c>--backend-config engine,key=value</c>).</summary>
    public ImmutableDictionary<string, string> BackendConfig { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>The whole configuration as proto JSON with the contract's field names; empty for engines that never show it to
    /// a model.</summary>
    public string ConfigJson { get; init; } = "";

    /// <summary>Set when requests belong to sequences.</summary>
    public SequenceSettings? Sequence { get; init; }

    /// <summary>Inputs that the server makes from a batch of requests of different shapes.</summary>
    public ImmutableArray<BatchInputSettings> BatchInputs { get; init; } = [];

    /// <summary>Outputs that are split by the requests' own shapes.</summary>
    public ImmutableArray<BatchOutputSettings> BatchOutputs { get; init; } = [];

    /// <summary>Which inputs are made from which at each batch; see <see cref="EngineSettings"/>.</summary>
    public ImmutableArray<BatchTensor> BatchTensors { get; init; } = [];

    /// <summary>Outputs at the end of <see cref="Outputs"/> that clients do not see; see <see cref="EngineSettings"/>.</summary>
    public int HiddenOutputCount { get; init; }

    /// <summary>Indexes of the outputs that the server keeps for the next step, in the order of the states; see
    /// <see cref="EngineSettings"/>.</summary>
    public ImmutableArray<int> StateOutputs { get; init; } = [];

    /// <summary>Number of outputs that clients see.</summary>
    public int ClientOutputCount => Outputs.Length - HiddenOutputCount;

    /// <summary>Engines may complete the configuration from the model.</summary>
    public bool AutoCompletes { get; init; } = true;

    /// <summary>Full path of the model file.</summary>
    public string ModelPath => Path.Combine(VersionFolder, ModelFilename);
}

/// <summary>Where an instance of a model runs.</summary>
public enum InstanceKind
{
    /// <summary>A CPU.</summary>
    Cpu,

    /// <summary>A GPU of the group's list.</summary>
    Gpu,

    /// <summary>The model decides.</summary>
    Model,
}

/// <summary>A number of equal instances.</summary>
public sealed record InstanceGroupSettings
{
    /// <summary>The group's name, unique within the model.</summary>
    public required string Name { get; init; }

    /// <summary>Kind of device.</summary>
    public InstanceKind Kind { get; init; } = InstanceKind.Cpu;

    /// <summary>Instances, for GPUs per listed device; 1 or more.</summary>
    public int Count { get; init; } = 1;

    /// <summary>Device ids for <see cref="InstanceKind.Gpu"/>.</summary>
    public ImmutableArray<int> Gpus { get; init; } = [];

    /// <summary>What a run needs; null = nothing.</summary>
    public RateLimitSettings? RateLimit { get; init; }
}

/// <summary>Graph optimisation and accelerators.</summary>
public sealed record OptimizationSettings
{
    /// <summary>Configuration's <c>optimization.graph.level</c>; null = the engine's default (all).</summary>
    public int? GraphLevel { get; init; }

    /// <summary>Accelerators for GPU instances, in order of preference.</summary>
    public ImmutableArray<AcceleratorSettings> GpuAccelerators { get; init; } = [];

    /// <summary>Accelerators for CPU instances, in order of preference.</summary>
    public ImmutableArray<AcceleratorSettings> CpuAccelerators { get; init; } = [];
}

/// <summary>One accelerator with its parameters.</summary>
public sealed record AcceleratorSettings(string Name, ImmutableDictionary<string, string> Parameters);
