using Sluice.Tensors;

namespace Sluice.Inference;

/// <summary>Adds the tensors that engines see and clients do not: controls, states, and what is told of a batch.</summary>
public static class EngineSettings
{
    /// <summary>Returns the settings that engines and batches work with.</summary>
    /// <remarks>Clients' inputs and outputs keep their indexes; the others follow them: controls, states, batch inputs, each in
    /// configuration order. A model without any of them keeps its settings.</remarks>
    public static ModelSettings ForEngine(this ModelSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var sequence = settings.Sequence;
        if (sequence is null && settings.BatchInputs.IsEmpty && settings.BatchOutputs.IsEmpty)
            return settings;
        var states = sequence?.States ?? [];
        var newOutputs = states.Where(state => settings.Outputs.All(output => output.Name != state.OutputName)).ToArray();
        var engine = settings with
        {
            Inputs =
            [
                .. settings.Inputs,
                .. (sequence?.Controls ?? []).Select(control => Tensor(control.Name, control.DataType, 1)),
                .. states.Select(state => Tensor(state.InputName, state.DataType, state.Dims)),
                .. settings.BatchInputs.SelectMany(input => input.TargetNames.Select(name => OfBatch(name, input))),
            ],
            Outputs = [.. settings.Outputs.Select(output => Scatter(settings, output)), .. newOutputs.Select(state => Tensor(state.OutputName, state.DataType, state.Dims))],
            HiddenOutputCount = newOutputs.Length,
        };
        return engine with
        {
            BatchTensors = [.. settings.BatchInputs.SelectMany(input => input.TargetNames.Select(name => new BatchTensor(
                input.Kind, input.DataType, IndexOf(engine.Inputs, input.SourceInput), IndexOf(engine.Inputs, name))))],
            StateOutputs = [.. states.Select(state => IndexOf(engine.Outputs, state.OutputName))],
        };
    }

    /// <summary>Finds a tensor by its name; -1 = none.</summary>
    public static int IndexOf(IReadOnlyList<TensorSettings> tensors, string name)
    {
        for (var i = 0; i < tensors.Count; i++)
        {
            if (tensors[i].Name == name)
                return i;
        }

        return -1;
    }

    private static TensorSettings Tensor(string name, DataType type, params long[] dims) =>
        new() { Name = name, DataType = type, Dims = dims };

    private static TensorSettings Scatter(ModelSettings settings, TensorSettings output) =>
        settings.BatchOutputs.FirstOrDefault(scattered => scattered.TargetNames.Contains(output.Name)) is { } found
            ? output with { ScatterSource = IndexOf(settings.Inputs, found.SourceInput) }
            : output;

    private static TensorSettings OfBatch(string name, BatchInputSettings input) => new()
    {
        Name = name,
        DataType = input.DataType,
        Dims = input.Kind == BatchInputKind.ItemShape ? [-1, -1] : [-1],
        IsShapeTensor = true,
    };
}
