using System.Collections.Concurrent;
using Sluice.Inference;
using Sluice.Protocol.Inference;

namespace Sluice.Models;

/// <summary>Remembers which ensembles are wanted and what they consist of, so that they follow their steps' models.</summary>
/// <remarks><b>Threads.</b> Any number of callers; each ensemble is changed behind the gate of its slot.</remarks>
internal sealed class EnsembleGraph(ModelTable table)
{
    private readonly ConcurrentDictionary<string, WantedEnsemble> _wanted = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> _loadedAsSteps = new(StringComparer.Ordinal);

    /// <summary>Reads the models of a configuration's steps; none for a model that is no ensemble.</summary>
    public static string[] StepsOf(ModelConfig config) => config.EnsembleScheduling is { } ensemble
        ? [.. ensemble.Step.Select(step => step.ModelName).Distinct(StringComparer.Ordinal)]
        : [];

    /// <summary>Reads the models of a folder's steps; none where it cannot be read, which whoever loads it tells.</summary>
    public static string[] StepsOf(ModelFolder folder, ModelConfig? replacement)
    {
        try
        {
            return folder.Fault.Length > 0 ? [] : StepsOf(ModelUpdater.ReadConfig(folder, replacement));
        }
        catch (InferenceException)
        {
            return [];
        }
    }

    /// <summary>From now on an ensemble comes back when its steps' models do.</summary>
    public void Want(string name, WantedEnsemble ensemble)
    {
        ensemble.Folder.Overrides?.AddReference();
        Forget(name);
        _wanted[name] = ensemble;
    }

    /// <summary>A model is unloaded on purpose, or is no ensemble any more.</summary>
    public void Forget(string name)
    {
        if (_wanted.TryRemove(name, out var old))
            old.Folder.Overrides?.Release();
    }

    /// <summary>Finds a wanted ensemble.</summary>
    public WantedEnsemble? Find(string name) => _wanted.GetValueOrDefault(name);

    /// <summary>The wanted ensembles that have a model as a step.</summary>
    public string[] DependentsOf(string model) => _wanted.IsEmpty
        ? []
        : [.. _wanted.Where(pair => pair.Value.Steps.Contains(model)).Select(pair => pair.Key)];

    /// <summary>A model has been loaded because an ensemble needs it (true), or for its own sake (false).</summary>
    public void MarkLoaded(string model, bool asStep)
    {
        if (!asStep)
            _loadedAsSteps.TryRemove(model, out _);
        else if (table.Find(model)?.Latest is null)
            _loadedAsSteps[model] = true;
    }

    /// <summary>Lists what goes with a model that is unloaded together with its dependents (spec §1.8): the ensembles that have it as a
    /// step, and the models that were loaded for these or for it alone.</summary>
    public IReadOnlyCollection<string> GoingWith(string model)
    {
        var going = new HashSet<string>(StringComparer.Ordinal) { model };
        for (var count = 0; count != going.Count;)
        {
            count = going.Count;
            going.UnionWith(_wanted.Where(pair => pair.Value.Steps.Any(step => step == model || (going.Contains(step) && _wanted.ContainsKey(step))))
                .Select(pair => pair.Key));
            going.UnionWith(_loadedAsSteps.Keys.Where(
                step => DependentsOf(step) is { Length: > 0 } users && users.All(going.Contains)));
        }

        going.Remove(model);
        return going;
    }

    /// <summary>Finds a way from an ensemble back to itself; empty when there is none.</summary>
    public string FindCircle(string name)
    {
        var circle = Walk(name, [name]);
        return circle is null ? "" : $"circular dependency between ensembles: {string.Join(" -> ", circle)}";
    }

    /// <summary>Says which step's model is not ready; empty when all are.</summary>
    public string FindMissing(string name, ModelConfig config)
    {
        foreach (var step in config.EnsembleScheduling.Step)
        {
            if (Find(step) is null)
                return EnsembleFaults.Missing(name, step.ModelName, step.ModelVersion);
        }

        return "";
    }

    /// <summary>Sums up what of its steps' models an ensemble depends on; another text means that it has to be checked anew.</summary>
    /// <remarks>An ensemble with a response cache depends on what its steps' models answer, so on each load of one of them.</remarks>
    public string Describe(ModelConfig config) => config.EnsembleScheduling is { } ensemble
        ? "|" + string.Join('|', ensemble.Step.Select(step => Find(step)?.Servable.Settings is { } model ? Describe(model) : "-"))
            + (IsCached(config) ? $"|{string.Join(' ', Loads(ensemble, []))}" : "")
        : "";

    /// <summary>A step may answer with any number of responses, so the ensemble may too.</summary>
    public static bool HasDecoupledStep(ModelTable table, ModelConfig config) =>
        config.EnsembleScheduling?.Step.Any(step => Find(table, step)?.Servable.Settings.IsDecoupled == true) == true;

    /// <summary>Its answers are kept, so that they must go when one of its steps answers otherwise.</summary>
    public static bool IsCached(ModelConfig config) => config.ResponseCache?.Enable == true;

    /// <summary>Lists the loads that the answers come from, through ensembles down to the models that compute; each one once.</summary>
    private List<long> Loads(ModelEnsembling ensemble, List<long> found)
    {
        foreach (var step in ensemble.Step)
        {
            if (Find(step) is not { } model || found.Contains(model.Number))
                continue;
            found.Add(model.Number);
            if (model.Config.EnsembleScheduling is { } nested)
                Loads(nested, found);
        }

        return found;
    }

    private static string Describe(ModelSettings model) =>
        $"{model.MaxBatchSize} {model.IsDecoupled} {string.Join(';', model.Inputs.Select(Describe))} -> {string.Join(';', model.Outputs.Select(Describe))}";

    private static string Describe(TensorSettings tensor) =>
        $"{tensor.Name} {tensor.DataType} [{string.Join(',', tensor.Dims)}] {tensor.IsOptional} {tensor.IsShapeTensor} {tensor.Labels.Length}";

    private LoadedModel? Find(ModelEnsembling.Types.Step step) => Find(table, step);

    private static LoadedModel? Find(ModelTable table, ModelEnsembling.Types.Step step)
    {
        var snapshot = table.Find(step.ModelName);
        return (step.ModelVersion < 1 ? snapshot?.Latest : snapshot?.Find(step.ModelVersion))?.Loaded;
    }

    private List<string>? Walk(string goal, List<string> path)
    {
        foreach (var step in Find(path[^1])?.Steps ?? [])
        {
            if (step == goal)
                return [.. path, step];
            if (!path.Contains(step) && Walk(goal, [.. path, step]) is { } circle)
                return circle;
        }

        return null;
    }
}

/// <summary>An ensemble that is to be served as soon as it can be.</summary>
/// <param name="Folder">Where it lies.</param>
/// <param name="Config">Its configuration as written.</param>
/// <param name="Replacement">The configuration of the request that loaded it; null = its file's.</param>
/// <param name="Steps">The models of its steps.</param>
internal sealed record WantedEnsemble(ModelFolder Folder, ModelConfig Config, ModelConfig? Replacement, string[] Steps);
