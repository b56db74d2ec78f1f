using Sluice.Protocol.Inference;
using Control = Sluice.Protocol.Inference.ModelSequenceBatching.Types.Control;
using InitialState = Sluice.Protocol.Inference.ModelSequenceBatching.Types.InitialState;
using Kind = Sluice.Protocol.Inference.ModelSequenceBatching.Types.Control.Types.Kind;
using State = Sluice.Protocol.Inference.ModelSequenceBatching.Types.State;

namespace Sluice.Models;

/// <summary>Checks what a configuration says of sequences, ragged inputs and what is made from batches (spec §3.1).</summary>
internal static class SequenceConfigValidator
{
    private static readonly DataType[] IdTypes =
        [DataType.TypeUint64, DataType.TypeInt64, DataType.TypeUint32, DataType.TypeInt32, DataType.TypeString];

    /// <summary>Adds one sentence per fault.</summary>
    public static void Validate(ModelConfig config, List<string> errors)
    {
        if (config.SequenceBatching is { } batching)
        {
            ValidateControls(config, batching, errors);
            ValidateStrategy(config, batching, errors);
            ValidateStates(config, batching, errors);
        }

        ValidateBatchTensors(config, errors);
        ValidateNames(config, errors);
    }

    /// <summary>Inputs of the model that no client sends.</summary>
    public static IEnumerable<string> HiddenInputs(ModelConfig config) =>
    [
        .. config.SequenceBatching?.ControlInput.Select(input => input.Name) ?? [],
        .. config.SequenceBatching?.State.Select(state => state.InputName) ?? [],
        .. config.BatchInput.SelectMany(input => input.TargetName),
    ];

    private static void ValidateControls(ModelConfig config, ModelSequenceBatching batching, List<string> errors)
    {
        foreach (var input in batching.ControlInput)
        {
            if (input.Name.Length == 0)
                errors.Add($"sequence batching control tensor must have a name for {config.Name}");
            if (input.Control.Count > 1 || batching.ControlInput.Count(other => other.Name == input.Name) > 1)
                errors.Add($"sequence batching control tensor '{input.Name}' is specified for multiple control kinds for {config.Name}");
            foreach (var control in input.Control)
                ValidateControl(config, control, errors);
        }

        errors.AddRange(batching.ControlInput.SelectMany(input => input.Control).GroupBy(control => control.Kind)
            .Where(group => group.Count() > 1)
            .Select(group => $"sequence batching specifies multiple {NameOf(group.Key)} tensors for {config.Name}"));
    }

    private static void ValidateControl(ModelConfig config, Control control, List<string> errors)
    {
        var place = $"{NameOf(control.Kind)} for {config.Name}";
        var values = new[]
        {
            ("int32_false_true", control.Int32FalseTrue.Count), ("fp32_false_true", control.Fp32FalseTrue.Count),
            ("bool_false_true", control.BoolFalseTrue.Count),
        };
        var given = values.Where(value => value.Item2 > 0).ToArray();
        if (control.Kind == Kind.ControlSequenceCorrid)
        {
            if (given.Length > 0)
                errors.Add(
                    "sequence batching must not specify either 'int32_false_true', 'fp32_false_true' or 'bool_false_true' for " + place);
            if (!IdTypes.Contains(control.DataType))
                errors.Add(
                    $"unexpected data type for control {place}. Allowed data types are TYPE_UINT64, TYPE_INT64, TYPE_UINT32, " +
                    "TYPE_INT32 and TYPE_STRING");
            return;
        }

        if (given.Length == 0)
            errors.Add("sequence batching must specify either 'int32_false_true', 'fp32_false_true' or 'bool_false_true' for " + place);
        else if (given.Length > 1)
            errors.Add(
                "sequence batching specifies more than one from 'int32_false_true', 'fp32_false_true' and 'bool_false_true' for " + place);
        else if (given[0].Item2 != 2)
            errors.Add($"sequence batching control '{given[0].Item1}' must have exactly 2 entries for {place}");
    }

    private static void ValidateStrategy(ModelConfig config, ModelSequenceBatching batching, List<string> errors)
    {
        const int MostCandidates = 1 << 20;
        if (batching.Oldest?.PreferredBatchSize.Any(size => size <= 0) == true)
            errors.Add($"sequence batching preferred batch size must be positive for {config.Name}");
        if (batching.Oldest?.PreferredBatchSize.Any(size => size > config.MaxBatchSize) == true)
            errors.Add($"sequence batching preferred batch size must be <= max batch size for {config.Name}");
        if (batching.Oldest?.MaxCandidateSequences is < 0 or > MostCandidates)
            errors.Add($"'max_candidate_sequences' must be at most {MostCandidates} for {config.Name}");
        if (batching.Direct is { } direct && direct.MinimumSlotUtilization is not (>= 0 and <= 1))
            errors.Add($"sequence batching minimum slot utilization must be in range (0.0, 1.0] for {config.Name}");
    }

    private static void ValidateStates(ModelConfig config, ModelSequenceBatching batching, List<string> errors)
    {
        foreach (var state in batching.State)
        {
            var place = $"state '{state.InputName}' of model '{config.Name}'";
            if (state.InputName.Length == 0 || state.OutputName.Length == 0)
                errors.Add($"a state of model '{config.Name}' must specify 'input_name' and 'output_name'");
            if (state.DataType == DataType.TypeInvalid)
                errors.Add($"{place} must specify 'data_type'");
            if (state.Dims.Any(dimension => dimension < -1) || state.Dims.Count >= Tensors.Shape.MaxRank)
                errors.Add($"{place} has dimensions [{string.Join(',', state.Dims)}]");
            if (state.InitialState.Count > 1)
                errors.Add(
                    $"initial_state field for state input '{state.InputName}' must contain exactly one or zero element. Found " +
                    $"'{state.InitialState.Count}' elements.");
            else if (state.InitialState.Count == 1)
                ValidateInitial(state, state.InitialState[0], errors);
            if (config.Output.FirstOrDefault(output => output.Name == state.OutputName) is { } output && output.DataType != state.DataType)
                errors.Add($"{place} is {state.DataType}, but output '{output.Name}' is {output.DataType}");
        }

        errors.AddRange(batching.State.GroupBy(state => state.OutputName).Where(group => group.Count() > 1)
            .Select(group => $"state output '{group.Key}' is listed more than once for model '{config.Name}'"));
    }

    private static void ValidateInitial(State state, InitialState initial, List<string> errors)
    {
        if (initial.DataType != state.DataType)
            errors.Add(
                $"The data type used for 'initial_state' field of state '{state.InputName}' does not match the state data type.");
        if (initial.Name.Length == 0)
            errors.Add($"Field 'name' must be set when using initial_state for state input '{state.InputName}'.");
        if (initial.StateDataCase == InitialState.StateDataOneofCase.None)
            errors.Add($"initial_state setting expects state '{state.InputName}' to have state_data set");
        if (initial.StateDataCase == InitialState.StateDataOneofCase.DataFile && initial.DataFile.Length == 0)
            errors.Add($"'data_file' of the initial_state of state '{state.InputName}' is empty");
        if (initial.Dims.Count != state.Dims.Count)
        {
            errors.Add(
                "Number of dimensions in 'initial_state' doesn't match the size of 'state' dimensions for state input " +
                $"'{state.InputName}'. {initial.Dims.Count} != {state.Dims.Count}");
            return;
        }

        foreach (var (first, any) in initial.Dims.Zip(state.Dims))
        {
            if (first < 0)
                errors.Add($"'initial_state' field for state input name '{state.InputName}' contains variable dimensions.");
            else if (any >= 0 && any != first)
                errors.Add(
                    $"'initial_state' dim for input name '{state.InputName}' doesn't match 'state' dim description. {first} != {any}");
        }
    }

    private static void ValidateBatchTensors(ModelConfig config, List<string> errors)
    {
        foreach (var input in config.BatchInput)
        {
            if (input.SourceInput.Count != 1)
                errors.Add($"batch input kind '{NameOf(input.Kind)}' expects 1 source input, got {input.SourceInput.Count} for {config.Name}");
            if (!Enum.IsDefined(input.Kind))
                errors.Add($"unknown batch input kind '{input.Kind}' for {config.Name}");
            if (input.DataType is not (DataType.TypeInt32 or DataType.TypeFp32))
                errors.Add($"batch input data type must be TYPE_INT32 or TYPE_FP32 for {config.Name}");
            if (input.TargetName.Count == 0)
                errors.Add($"a batch input of model '{config.Name}' must specify 'target_name'");
        }

        foreach (var output in config.BatchOutput)
        {
            if (output.SourceInput.Count != 1)
                errors.Add(
                    $"batch output kind 'BATCH_SCATTER_WITH_INPUT_SHAPE' expects 1 source input, got {output.SourceInput.Count} for {config.Name}");
            errors.AddRange(output.TargetName.Where(name => config.Output.All(known => known.Name != name))
                .Select(name => $"unknown target output name '{name}' for {config.Name}"));
        }

        errors.AddRange(config.BatchOutput.SelectMany(output => output.TargetName).GroupBy(name => name).Where(group => group.Count() > 1)
            .Select(group => $"target output name '{group.Key}' can only be specified once for {config.Name}"));
        errors.AddRange(config.BatchInput.SelectMany(input => input.SourceInput)
            .Concat(config.BatchOutput.SelectMany(output => output.SourceInput))
            .Where(name => config.Input.All(input => input.Name != name))
            .Select(name => $"unknown source input name '{name}' for {config.Name}"));
        if (config.MaxBatchSize == 0 && config.BatchInput.Count + config.BatchOutput.Count > 0)
            errors.Add($"'batch_input' and 'batch_output' of model '{config.Name}' need batches, but its 'max_batch_size' is 0");
    }

    private static void ValidateNames(ModelConfig config, List<string> errors) =>
        errors.AddRange(HiddenInputs(config).Concat(config.Input.Select(input => input.Name)).GroupBy(name => name)
            .Where(group => group.Count() > 1 && HiddenInputs(config).Contains(group.Key))
            .Where(group => config.SequenceBatching?.ControlInput.Count(input => input.Name == group.Key) is null or < 2)
            .Select(group => $"input '{group.Key}' of model '{config.Name}' is given by more than one of clients, controls, states " +
                "and batch inputs"));

    private static string NameOf(Kind kind) => kind switch
    {
        Kind.ControlSequenceStart => "CONTROL_SEQUENCE_START",
        Kind.ControlSequenceReady => "CONTROL_SEQUENCE_READY",
        Kind.ControlSequenceEnd => "CONTROL_SEQUENCE_END",
        _ => "CONTROL_SEQUENCE_CORRID",
    };

    private static string NameOf(BatchInput.Types.Kind kind) => kind switch
    {
        BatchInput.Types.Kind.BatchElementCount => "BATCH_ELEMENT_COUNT",
        BatchInput.Types.Kind.BatchAccumulatedElementCount => "BATCH_ACCUMULATED_ELEMENT_COUNT",
        BatchInput.Types.Kind.BatchAccumulatedElementCountWithZero => "BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO",
        BatchInput.Types.Kind.BatchMaxElementCountAsShape => "BATCH_MAX_ELEMENT_COUNT_AS_SHAPE",
        BatchInput.Types.Kind.BatchItemShape => "BATCH_ITEM_SHAPE",
        _ => "BATCH_ITEM_SHAPE_FLATTEN",
    };
}
