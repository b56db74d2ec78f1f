using Sluice.Inference;
using Sluice.Models;
using Sluice.Tensors;

namespace Sluice.Scheduling.Ensemble;

/// <summary>Checks an ensemble against its steps' models and makes the graph that is run (spec §3.5).</summary>
/// <remarks><b>Threads.</b> One caller; pure over its arguments.</remarks>
internal sealed class EnsemblePlanner
{
    private readonly ModelSettings _ensemble;
    private readonly EnsembleStepSettings[] _steps;
    private readonly ModelSettings[] _models;
    private readonly Dictionary<string, int> _tensors = new(StringComparer.Ordinal);
    private readonly List<List<Use>> _uses = [];
    private readonly List<int> _producers = [];
    private readonly List<string> _errors = [];

    private EnsemblePlanner(ModelSettings ensemble, EnsembleStepSettings[] steps, ModelSettings[] models)
    {
        _ensemble = ensemble;
        _steps = steps;
        _models = models;
    }

    /// <summary>Makes the plan.</summary>
    /// <param name="ensemble">The ensemble's completed settings.</param>
    /// <param name="find">Gives the settings of a step's model; null when no such version is ready.</param>
    /// <exception cref="InferenceException"><see cref="InferenceCode.InvalidArgument"/> with every fault, one sentence each.</exception>
    public static EnsemblePlan Plan(ModelSettings ensemble, Func<EnsembleStepSettings, ModelSettings?> find)
    {
        EnsembleStepSettings[] steps = [.. ensemble.Ensemble!.Steps];
        if (steps.Length == 0)
            throw InferenceException.Invalid($"ensemble '{ensemble.Name}' has no step");
        var models = Array.ConvertAll(steps, step => find(step) ?? throw InferenceException.Invalid(EnsembleFaults.Missing(ensemble.Name, step.ModelName, step.Version)));
        var planner = new EnsemblePlanner(ensemble, steps, models);
        planner.Connect();
        planner.CheckModels();
        planner.CheckTensors();
        planner.Throw();
        var order = planner.Order();
        planner.Throw();
        return new EnsembleScoping(ensemble, [.. order.Select(i => steps[i])], [.. order.Select(i => models[i])]).Plan();
    }

    /// <summary>Numbers the tensors, finds who makes and who takes each of them.</summary>
    private void Connect()
    {
        foreach (var input in _ensemble.Inputs)
            Produce(input.Name, EnsemblePlan.Root, new Use($"input '{input.Name}'", input, _ensemble.MaxBatchSize > 0));
        for (var i = 0; i < _steps.Length; i++)
        {
            foreach (var (output, tensor) in _steps[i].Outputs)
            {
                if (Find(_models[i].Outputs, output) is not { } settings)
                    _errors.Add($"{Place(i)} maps output '{output}', which the model does not have");
                else
                    Produce(tensor, i, new Use($"output '{output}' of model '{_models[i].Name}'", settings, _models[i].MaxBatchSize > 0));
            }
        }

        for (var i = 0; i < _steps.Length; i++)
        {
            foreach (var (input, tensor) in _steps[i].Inputs)
            {
                if (Find(_models[i].Inputs, input) is not { } settings)
                    _errors.Add($"{Place(i)} maps input '{input}', which the model does not have");
                else
                    Consume(tensor, new Use($"input '{input}' of model '{_models[i].Name}'", settings, _models[i].MaxBatchSize > 0), Place(i));
            }
        }

        foreach (var output in _ensemble.Outputs)
        {
            Consume(output.Name, new Use($"output '{output.Name}'", output, _ensemble.MaxBatchSize > 0), $"ensemble '{_ensemble.Name}'");
            if (_tensors.TryGetValue(output.Name, out var tensor) && _producers[tensor] == EnsemblePlan.Root)
                _errors.Add($"output '{output.Name}' of ensemble '{_ensemble.Name}' is one of its inputs");
        }
    }

    private void Produce(string tensor, int step, Use use)
    {
        if (!_tensors.TryAdd(tensor, _uses.Count))
        {
            _errors.Add($"tensor '{tensor}' of ensemble '{_ensemble.Name}' is made twice: by {_uses[_tensors[tensor]][0].Place} and by {use.Place}");
            return;
        }

        _uses.Add([use]);
        _producers.Add(step);
    }

    private void Consume(string tensor, Use use, string place)
    {
        if (_tensors.TryGetValue(tensor, out var number))
            _uses[number].Add(use);
        else
            _errors.Add($"{place} takes tensor '{tensor}', which is no input of the ensemble and which no step makes");
    }

    private void CheckModels()
    {
        for (var i = 0; i < _steps.Length; i++)
        {
            var (step, model) = (_steps[i], _models[i]);
            if (model.Name == _ensemble.Name)
                _errors.Add($"ensemble '{_ensemble.Name}' is a step of itself");
            _errors.AddRange(model.Inputs.Where(input => !input.IsOptional && !step.Inputs.ContainsKey(input.Name))
                .Select(input => $"{Place(i)} gives no tensor to input '{input.Name}'"));
            if (_ensemble.MaxBatchSize > model.MaxBatchSize)
                _errors.Add(
                    $"ensemble '{_ensemble.Name}' has max_batch_size {_ensemble.MaxBatchSize}, more than the {model.MaxBatchSize} of its " +
                    $"step's model '{model.Name}'");
            if (model.IsDecoupled && !_ensemble.IsDecoupled)
                _errors.Add(
                    $"ensemble '{_ensemble.Name}' must have model_transaction_policy {{ decoupled: true }}, because its step's model " +
                    $"'{model.Name}' has");
        }
    }

    private void CheckTensors()
    {
        foreach (var (name, number) in _tensors)
        {
            var uses = _uses[number];
            if (uses.Count == 1 && _producers[number] == EnsemblePlan.Root)
                _errors.Add($"input '{name}' of ensemble '{_ensemble.Name}' is used by no step");
            foreach (var use in uses.Skip(1))
                Compare(name, uses[0], use);
        }
    }

    private void Compare(string tensor, Use made, Use taken)
    {
        var place = $"in ensemble '{_ensemble.Name}', tensor '{tensor}' is";
        if (made.Tensor.DataType != taken.Tensor.DataType)
            _errors.Add(
                $"{place} {made.Tensor.DataType.ConfigName()} as {made.Place} and {taken.Tensor.DataType.ConfigName()} as {taken.Place}");
        else if (!AreCompatible(made.Full, taken.Full))
            _errors.Add($"{place} [{string.Join(',', made.Full)}] as {made.Place} and [{string.Join(',', taken.Full)}] as {taken.Place}");
    }

    private static bool AreCompatible(long[] left, long[] right) => left.Length == right.Length &&
        left.Zip(right).All(pair => pair.First < 0 || pair.Second < 0 || pair.First == pair.Second);

    /// <summary>Puts steps behind those that they take from.</summary>
    private List<int> Order()
    {
        var order = new List<int>();
        var left = Enumerable.Range(0, _steps.Length).ToList();
        while (left.Count > 0)
        {
            var ready = left.Where(i => Sources(i).All(order.Contains)).ToArray();
            if (ready.Length == 0)
            {
                _errors.Add(
                    $"the steps of ensemble '{_ensemble.Name}' wait for each other in a circle: " +
                    string.Join(", ", left.Select(i => $"'{_steps[i].ModelName}'")));
                return order;
            }

            order.AddRange(ready);
            left.RemoveAll(i => ready.Contains(i));
        }

        return order;
    }

    private IEnumerable<int> Sources(int step) =>
        _steps[step].Inputs.Values.Select(tensor => _producers[_tensors[tensor]]).Where(producer => producer != EnsemblePlan.Root);

    private string Place(int step) => $"step {step} (model '{_steps[step].ModelName}') of ensemble '{_ensemble.Name}'";

    private void Throw()
    {
        if (_errors.Count > 0)
            throw InferenceException.Invalid(string.Join("; ", _errors));
    }

    private static TensorSettings? Find(IEnumerable<TensorSettings> tensors, string name) =>
        tensors.FirstOrDefault(tensor => tensor.Name == name);

    /// <summary>A tensor as somebody who makes or takes it sees it.</summary>
    private sealed record Use(string Place, TensorSettings Tensor, bool IsBatched)
    {
        public long[] Full => IsBatched && !Tensor.IsShapeTensor ? [-1, .. Tensor.Dims] : Tensor.Dims;
    }
}
