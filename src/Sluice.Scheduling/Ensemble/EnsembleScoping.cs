using System.Globalization;
using System.Text;
using Sluice.Inference;

namespace Sluice.Scheduling.Ensemble;

/// <summary>Finds out which steps run once per request and which run once per response of which decoupled step.</summary>
/// <param name="ensemble">Its settings; checked by <see cref="EnsemblePlanner"/>.</param>
/// <param name="steps">In an order in which inputs come before those who take them.</param>
/// <param name="models">The steps' models.</param>
internal sealed class EnsembleScoping(ModelSettings ensemble, EnsembleStepSettings[] steps, ModelSettings[] models)
{
    private readonly Dictionary<string, int> _tensors = new(StringComparer.Ordinal);
    private readonly List<int> _producers = [];
    private readonly List<int> _tensorScopes = [];
    private readonly int[] _stepScopes = new int[steps.Length];

    /// <exception cref="InferenceException">A step would have to join responses of steps that know nothing of each other.</exception>
    public EnsemblePlan Plan()
    {
        foreach (var input in ensemble.Inputs)
            Add(input.Name, EnsemblePlan.Root, EnsemblePlan.Root);
        for (var i = 0; i < steps.Length; i++)
        {
            _stepScopes[i] = Innermost(steps[i].Inputs.Values, $"step '{steps[i].ModelName}'");
            foreach (var tensor in steps[i].Outputs.Values)
                Add(tensor, i, models[i].IsDecoupled ? i : _stepScopes[i]);
        }

        var outputScope = Innermost(ensemble.Outputs.Select(output => output.Name), "the answer");
        var waits = Enumerable.Range(0, steps.Length).Select(_ => new SortedSet<int>()).ToArray();
        var kept = new bool[steps.Length];
        for (var i = 0; i < steps.Length; i++)
        {
            foreach (var tensor in steps[i].Inputs.Values)
                AddUse(_tensors[tensor], _stepScopes[i], i, waits, kept);
        }

        foreach (var output in ensemble.Outputs)
            AddUse(_tensors[output.Name], outputScope, -1, waits, kept);
        return new EnsemblePlan
        {
            Steps = CreateSteps(waits, kept),
            ScopeSteps = [.. Enumerable.Range(-1, steps.Length + 1).Select(
                scope => Enumerable.Range(0, steps.Length).Where(i => _stepScopes[i] == scope).ToArray())],
            Producers = [.. _producers],
            Scopes = [.. _tensorScopes],
            InputTensors = [.. ensemble.Inputs.Select(input => _tensors[input.Name])],
            OutputTensors = [.. ensemble.Outputs.Select(output => _tensors[output.Name])],
            OutputScope = outputScope,
            Labels = [.. ensemble.Outputs.Select(output => Labels(_tensors[output.Name], output.Name))],
        };
    }

    private void Add(string tensor, int producer, int scope)
    {
        _tensors.Add(tensor, _producers.Count);
        _producers.Add(producer);
        _tensorScopes.Add(scope);
    }

    private int Innermost(IEnumerable<string> tensors, string place)
    {
        var innermost = EnsemblePlan.Root;
        foreach (var scope in tensors.Select(tensor => _tensorScopes[_tensors[tensor]]))
        {
            if (IsWithin(innermost, scope))
                continue;
            if (!IsWithin(scope, innermost))
                throw InferenceException.Invalid(
                    $"in ensemble '{ensemble.Name}', {place} joins responses of '{steps[scope].ModelName}' with responses of " +
                    $"'{steps[innermost].ModelName}', and neither of these decoupled models takes from the other");
            innermost = scope;
        }

        return innermost;
    }

    private bool IsWithin(int scope, int outer)
    {
        for (; scope != outer; scope = _stepScopes[scope])
        {
            if (scope == EnsemblePlan.Root)
                return false;
        }

        return true;
    }

    /// <summary>A step waits for what it takes; what is taken in an inner scope is waited for by the step that opens it.</summary>
    private void AddUse(int tensor, int scope, int step, SortedSet<int>[] waits, bool[] kept)
    {
        var producer = _producers[tensor];
        if (producer == EnsemblePlan.Root)
            return;
        var home = _tensorScopes[tensor];
        if (step < 0 && home == scope)
            kept[producer] = true;
        for (; scope != home; scope = _stepScopes[scope])
        {
            step = scope;
            kept[producer] = true;
        }

        // The responses themselves are there before their scope is.
        if (step >= 0 && !models[producer].IsDecoupled)
            waits[step].Add(producer);
    }

    private EnsembleStep[] CreateSteps(SortedSet<int>[] waits, bool[] kept)
    {
        var created = steps.Select((step, i) => new EnsembleStep
        {
            ModelName = Encoding.UTF8.GetBytes(step.ModelName),
            Version = step.Version < 1 ? [] : Encoding.UTF8.GetBytes(step.Version.ToString(CultureInfo.InvariantCulture)),
            IsDecoupled = models[i].IsDecoupled,
            Scope = _stepScopes[i],
            Inputs = [.. step.Inputs.Select(pair => new EnsemblePort(
                _tensors[pair.Value], Encoding.UTF8.GetBytes(pair.Key), models[i].Inputs.First(input => input.Name == pair.Key).IsOptional))],
            Outputs = [.. step.Outputs.Select(pair => new EnsemblePort(_tensors[pair.Value], Encoding.UTF8.GetBytes(pair.Key), false))],
            Producers = [.. waits[i]],
            IsKept = kept[i],
        }).ToArray();
        var taken = created.SelectMany(step => step.Inputs).Select(input => input.Tensor)
            .Concat(ensemble.Outputs.Select(output => _tensors[output.Name])).ToHashSet();
        for (var i = 0; i < created.Length; i++)
        {
            created[i].Consumers = [.. Enumerable.Range(0, created.Length).Where(other => waits[other].Contains(i))];
            created[i].IsEffect = !created[i].Outputs.Any(output => taken.Contains(output.Tensor));
        }

        return created;
    }

    private System.Collections.Immutable.ImmutableArray<byte[]> Labels(int tensor, string name)
    {
        var own = ensemble.Outputs.First(output => output.Name == name).Labels;
        if (own.Length > 0)
            return own;
        var producer = _producers[tensor];
        var output = steps[producer].Outputs.First(pair => pair.Value == name).Key;
        return models[producer].Outputs.First(settings => settings.Name == output).Labels;
    }
}
