using Sluice.Inference;
using Sluice.Protocol.Inference;

namespace Sluice.Models;

/// <summary>Everything a loader needs to make one model version servable.</summary>
/// <remarks>
/// <para>A load has two halves, with the engine's reading of the file between them: <see cref="Draft"/> says what is
/// known before, <see cref="Complete"/> makes the settings in force from what the file says.</para>
/// <para><b>Threads.</b> One loader at a time.</para>
/// </remarks>
public sealed class ModelLoadPlan
{
    private readonly ModelVersionFolder _version;
    private readonly ModelConfigOptions _options;
    private readonly string? _engineCode;

    /// <summary>Resolves engine and file of one version.</summary>
    /// <param name="config">The configuration as written; copied.</param>
    /// <param name="version">Version and folders.</param>
    /// <param name="options">What the server adds.</param>
    /// <exception cref="InferenceException">
    /// <see cref="InferenceCode.InvalidArgument"/> when the name is not the folder's, no engine can be told, or the
    /// configuration asks for something that is not supported.
    /// </exception>
    public ModelLoadPlan(ModelConfig config, ModelVersionFolder version, ModelConfigOptions options)
    {
        _version = version;
        _options = options;
        Config = config.Clone();
        if (Config.Name.Length == 0)
            Config.Name = version.ModelName;
        if (Config.Name != version.ModelName)
            throw InferenceException.Invalid(
                $"unexpected directory name '{version.ModelName}' for model '{Config.Name}', directory name must equal model name");

        Throw([.. UnsupportedFeatures.Find(Config)]);
        BackendResolver.Resolve(Config, version.Path);
        Throw([.. ConfigPaths.FindFaults(Config)]);
        _engineCode = options.FindEngineCode(Config.Backend);
        if (_engineCode is not null)
            Config.Runtime = ModelConfigOptions.EngineCodeFile;
        else if (Config.Runtime == ModelConfigOptions.EngineCodeFile && Config.Backend != ModelConfigOptions.PythonEngine)
            throw InferenceException.Invalid(
                $"unable to find Python backend based backend '{Config.Backend}' for model '{Config.Name}': the folder of backends " +
                $"has no file {Config.Backend}/{ModelConfigOptions.EngineCodeFile}");

        var settings = CreateSettings();
        Draft = _engineCode is null ? settings : settings with { Backend = ModelConfigOptions.PythonEngine };
    }

    /// <summary>The configuration: as written at first, completed and normalised after <see cref="Complete"/>.</summary>
    public ModelConfig Config { get; private set; }

    /// <summary>What is known before the file is read; inputs, outputs and batch size may be empty. Its engine is the one of the
    /// server that opens the model: for engines that are Python code, the one that runs Python.</summary>
    public ModelSettings Draft { get; }

    /// <summary>The other models, for those that consist of some; null where there are none.</summary>
    public ModelTable? Models { get; init; }

    /// <summary>What serves in its place until it is ready; null when nothing does.</summary>
    public IServable? Predecessor { get; init; }

    /// <summary>Completes, normalises and checks the configuration against the file.</summary>
    /// <param name="graph">What the engine read.</param>
    /// <returns>The settings in force.</returns>
    /// <exception cref="InferenceException">
    /// <see cref="InferenceCode.InvalidArgument"/> with every fault, one sentence each.
    /// </exception>
    public ModelSettings Complete(ModelDescription graph)
    {
        var config = graph.CompletedConfig is null ? Config.Clone() : ReadCompleted(graph.CompletedConfig);
        if (_options.AutoComplete && !graph.IsOpen)
            ModelAutoComplete.Complete(config, graph, MaxBatchSize(config.Backend, graph));

        ModelConfigDefaults.Apply(config, _options.UsableGpus);
        if (Models is not null && EnsembleGraph.HasDecoupledStep(Models, config))
            (config.ModelTransactionPolicy ??= new ModelTransactionPolicy()).Decoupled = true;
        Throw([
            .. ModelConfigValidator.Validate(config, _options.UsableGpus),
            .. graph.IsOpen ? [] : GraphValidator.Validate(config, graph),
        ]);
        var written = Config;
        Config = config;
        var settings = InitialStates.Load(LabelFiles.Load(CreateSettings()));
        return settings with
        {
            Inputs = [.. settings.Inputs.Select(t => t with
            {
                IsReshapeImplied = !HasDims(written.Input, t.Name, i => i.Name, i => i.Dims),
                AcceptsFewer = graph.Inputs.Find(t.Name)?.AcceptsFewer == true,
            })],
            Outputs = [.. settings.Outputs.Select(t => t with { IsReshapeImplied = !HasDims(written.Output, t.Name, o => o.Name, o => o.Dims) })],
        };
    }

    private int MaxBatchSize(string backend, ModelDescription graph) => graph.DefaultMaxBatchSize is { } size
        ? _options.DefaultMaxBatchSize(backend, size)
        : _options.DefaultMaxBatchSize(backend);

    private ModelConfig ReadCompleted(string json)
    {
        var config = ModelConfigFile.ReadJson(Config.Name, json);
        (config.Name, config.Backend, config.Platform) = (Config.Name, Config.Backend, Config.Platform);
        (config.DefaultModelFilename, config.Runtime) = (Config.DefaultModelFilename, Config.Runtime);
        Throw([.. UnsupportedFeatures.Find(config)]);
        return config;
    }

    private static bool HasDims<T>(
        IEnumerable<T> tensors, string name, Func<T, string> nameOf, Func<T, IReadOnlyCollection<long>> dimsOf) =>
        tensors.Any(tensor => nameOf(tensor) == name && dimsOf(tensor).Count > 0);

    private ModelSettings CreateSettings() =>
        ModelSettingsFactory.Create(
            Config, _version, _options.BackendConfigFor(_engineCode is null ? Config.Backend : ModelConfigOptions.PythonEngine), _engineCode) with
        {
            AutoCompletes = _options.AutoComplete,
        };

    private static void Throw(IReadOnlyList<string> errors)
    {
        if (errors.Count > 0)
            throw InferenceException.Invalid(string.Join("; ", errors));
    }
}
