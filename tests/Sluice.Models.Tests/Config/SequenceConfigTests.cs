using System.Text;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using DataType = Sluice.Tensors.DataType;

namespace Sluice.Models.Tests;

/// <summary>What configurations say of sequences, kept states, ragged inputs and tensors made from batches (spec §3.1, §3.2).</summary>
public sealed class SequenceConfigTests : IDisposable
{
    private const string Start = "control_input { name: 'START' control { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } }";

    private readonly TempFolder _folder = new();

    /// <summary>Contents of <c>sequence_batching</c>, and a part of the refusal.</summary>
    public static TheoryData<string, string> Faults => new()
    {
        { "control_input { control { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } }", "sequence batching control tensor must have a name for m" },
        { "control_input { name: 'S' control { kind: CONTROL_SEQUENCE_START } }", "sequence batching must specify either 'int32_false_true', 'fp32_false_true' or 'bool_false_true' for CONTROL_SEQUENCE_START for m" },
        { "control_input { name: 'S' control { kind: CONTROL_SEQUENCE_END int32_false_true: [ 0, 1 ] bool_false_true: [ false, true ] } }", "sequence batching specifies more than one from 'int32_false_true', 'fp32_false_true' and 'bool_false_true' for CONTROL_SEQUENCE_END for m" },
        { "control_input { name: 'S' control { kind: CONTROL_SEQUENCE_READY fp32_false_true: 1 } }", "sequence batching control 'fp32_false_true' must have exactly 2 entries for CONTROL_SEQUENCE_READY for m" },
        { "control_input { name: 'S' control { kind: CONTROL_SEQUENCE_CORRID } }", "unexpected data type for control CONTROL_SEQUENCE_CORRID for m. Allowed data types are TYPE_UINT64, TYPE_INT64, TYPE_UINT32, TYPE_INT32 and TYPE_STRING" },
        { "control_input { name: 'S' control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 bool_false_true: [ false, true ] } }", "sequence batching must not specify either" },
        { Start + Start, "sequence batching control tensor 'START' is specified for multiple control kinds for m" },
        { Start + Start.Replace("'START'", "'S2'", StringComparison.Ordinal), "sequence batching specifies multiple CONTROL_SEQUENCE_START tensors for m" },
        { Start.Replace("'START'", "'x'", StringComparison.Ordinal), "input 'x' of model 'm' is given by more than one of" },
        { "oldest { preferred_batch_size: 0 }", "sequence batching preferred batch size must be positive for m" },
        { "oldest { preferred_batch_size: 9 }", "sequence batching preferred batch size must be <= max batch size for m" },
        { "direct { minimum_slot_utilization: 1.5 }", "sequence batching minimum slot utilization must be in range (0.0, 1.0] for m" },
        { State("data_type: TYPE_INT32 dims: 1 name: 'i' zero_data: true"), "The data type used for 'initial_state' field of state 's' does not match the state data type." },
        { State("data_type: TYPE_FP32 dims: 1 zero_data: true"), "Field 'name' must be set when using initial_state for state input 's'." },
        { State("data_type: TYPE_FP32 dims: [ 1, 1 ] name: 'i' zero_data: true"), "doesn't match the size of 'state' dimensions for state input 's'. 2 != 1" },
        { State("data_type: TYPE_FP32 dims: 3 name: 'i' zero_data: true"), "'initial_state' dim for input name 's' doesn't match 'state' dim description. 3 != 2" },
        { State("data_type: TYPE_FP32 dims: -1 name: 'i' zero_data: true"), "'initial_state' field for state input name 's' contains variable dimensions." },
        { State("data_type: TYPE_FP32 dims: 2 name: 'i'"), "initial_state setting expects state 's' to have state_data set" },
        { State("data_type: TYPE_FP32 dims: 2 name: 'i' data_file: 'gone'"), "initial_state file 'gone' of state 's' of model 'm' cannot be read" },
        { State("data_type: TYPE_FP32 dims: 2 name: 'i' data_file: 'short'"), "initial_state setting expects 8 bytes, but 'short' of state 's' of model 'm' only has 3 bytes" },
    };

    /// <summary>Parts of a configuration beside the usual ones, and a part of the refusal.</summary>
    public static TheoryData<string, string> BatchFaults => new()
    {
        { "batch_input { kind: BATCH_ELEMENT_COUNT target_name: 'c' data_type: TYPE_INT32 }", "batch input kind 'BATCH_ELEMENT_COUNT' expects 1 source input, got 0 for m" },
        { "batch_input { kind: BATCH_ITEM_SHAPE target_name: 'c' data_type: TYPE_INT64 source_input: 'x' }", "batch input data type must be TYPE_INT32 or TYPE_FP32 for m" },
        { "batch_input { target_name: 'c' data_type: TYPE_INT32 source_input: 'z' }", "unknown source input name 'z' for m" },
        { "batch_output { target_name: 'z' source_input: 'x' }", "unknown target output name 'z' for m" },
        { "batch_output { target_name: [ 'y', 'y' ] source_input: 'x' }", "target output name 'y' can only be specified once for m" },
        { "batch_output { target_name: 'y' }", "batch output kind 'BATCH_SCATTER_WITH_INPUT_SHAPE' expects 1 source input, got 0 for m" },
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Faults))]
    public void Complete_SequencesThatDoNotHold_SaysWhy(string sequences, string expected)
    {
        _folder.Write("m/initial_state/short", "abc");
        var error = Assert.Throws<InferenceException>(() => Complete($"sequence_batching {{ {sequences} }}", isOpen: true));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(BatchFaults))]
    public void Complete_BatchTensorsThatDoNotHold_SaysWhy(string config, string expected)
    {
        var error = Assert.Throws<InferenceException>(() => Complete(config, isOpen: true));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Complete_EmptySequenceBatching_HasTheDefaults()
    {
        var sequence = Complete("sequence_batching { }", isOpen: true).Sequence!;
        Assert.Equal((1_000_000L, null, false, 0L, 0f), (
            sequence.MaxIdleMicroseconds, sequence.Oldest, sequence.IsIterative, sequence.MaxQueueDelayMicroseconds, sequence.MinimumSlotUtilization));
        var oldest = Complete("sequence_batching { oldest { } }", isOpen: true).Sequence!.Oldest!;
        Assert.Equal((1, 0L, false), (oldest.MaxCandidateSequences, oldest.MaxQueueDelayMicroseconds, oldest.PreserveOrdering));
        Assert.Equal([8], oldest.PreferredBatchSizes.ToArray());
    }

    [Fact]
    public void Complete_ControlsAndStates_AreHiddenInputsOfTheEngine()
    {
        File.WriteAllBytes(_folder.Write("m/initial_state/first", ""), [1, 0, 0, 0, 2, 0, 0, 0, 9]);
        var settings = Complete($$"""
            sequence_batching {
              {{Start}}
              control_input { name: 'ID' control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_STRING } }
              state { input_name: 's' output_name: 't' data_type: TYPE_INT32 dims: -1
                initial_state { data_type: TYPE_INT32 dims: 2 data_file: 'first' name: 'f' } }
              state { input_name: 'u' output_name: 'y' data_type: TYPE_FP32 dims: [ -1, 2 ] }
            }
            """, isOpen: true);
        Assert.Equal(["x"], settings.Inputs.Select(input => input.Name));
        var engine = settings.ForEngine();
        Assert.Equal(["x", "START", "ID", "s", "u"], engine.Inputs.Select(input => input.Name));
        Assert.Equal([DataType.Fp32, DataType.Int32, DataType.Bytes, DataType.Int32, DataType.Fp32], engine.Inputs.Select(input => input.DataType));
        Assert.Equal(["y", "t"], engine.Outputs.Select(output => output.Name));
        Assert.Equal((1, 1), (engine.HiddenOutputCount, engine.ClientOutputCount));
        Assert.Equal([1, 0], engine.StateOutputs.ToArray());
        Assert.Equal([1, 0, 0, 0, 2, 0, 0, 0], settings.Sequence!.States[0].InitialData);
        Assert.Equal([1, 2], settings.Sequence.States[1].InitialDims);
        Assert.Equal(new byte[8], settings.Sequence.States[1].InitialData);
        Assert.Equal([0, 0, 0, 0], settings.Sequence.Controls[0].False);
        Assert.Equal([1, 0, 0, 0], settings.Sequence.Controls[0].True);
    }

    [Fact]
    public void ForEngine_ModelWithoutHiddenTensors_IsTheSame()
    {
        var settings = Complete("", isOpen: true);
        Assert.Same(settings, settings.ForEngine());
    }

    [Fact]
    public void Complete_GraphWithControlsAndStates_FillsTheClientsTensorsOnly()
    {
        var graph = new ModelDescription(
            [Tensor("x", DataType.Fp32, -1, 4), Tensor("START", DataType.Int32, -1, 1), Tensor("s", DataType.Fp32, -1, 2)],
            [Tensor("y", DataType.Fp32, -1, 2), Tensor("t", DataType.Fp32, -1, 2)]);
        const string Sequences = "sequence_batching { state { input_name: 's' output_name: 't' data_type: TYPE_FP32 dims: 2 } " + Start + " }";
        var settings = Plan(Sequences).Complete(graph);
        Assert.Equal(["x"], settings.Inputs.Select(input => input.Name));
        Assert.Equal(["y"], settings.Outputs.Select(output => output.Name));
        Assert.Null(settings.DynamicBatching);
        var wrong = Assert.Throws<InferenceException>(() =>
            Plan(Sequences.Replace("int32_false_true", "fp32_false_true", StringComparison.Ordinal)).Complete(graph));
        Assert.Contains("configuration expects datatype TYPE_FP32 for input 'START', model provides TYPE_INT32", wrong.Message, StringComparison.Ordinal);
        var missing = Assert.Throws<InferenceException>(() => Plan("sequence_batching { state { input_name: 'gone' output_name: 't' data_type: TYPE_FP32 dims: 2 } }").Complete(graph));
        Assert.Contains("unexpected inference input 'gone' for model 'm'", missing.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Complete_RaggedGraph_HasOneDimensionWithoutTheBatch()
    {
        var graph = new ModelDescription(
            [Tensor("x", DataType.Fp32, -1), Tensor("ENDS", DataType.Int32, -1)], [Tensor("y", DataType.Fp32, -1)]);
        var settings = Plan("""
            max_batch_size: 8
            input { name: 'x' data_type: TYPE_FP32 dims: -1 allow_ragged_batch: true }
            output { name: 'y' data_type: TYPE_FP32 dims: -1 }
            batch_input { kind: BATCH_ACCUMULATED_ELEMENT_COUNT target_name: 'ENDS' data_type: TYPE_INT32 source_input: 'x' }
            batch_output { target_name: 'y' source_input: 'x' }
            dynamic_batching { }
            """).Complete(graph);
        var engine = settings.ForEngine();
        Assert.Equal([new BatchTensor(BatchInputKind.AccumulatedElementCount, DataType.Int32, 0, 1)], engine.BatchTensors.ToArray());
        Assert.Equal(0, engine.Outputs[0].ScatterSource);
    }

    private static string State(string initial) =>
        $"state {{ input_name: 's' output_name: 't' data_type: TYPE_FP32 dims: 2 initial_state {{ {initial} }} }}";

    private static TensorDescription Tensor(string name, DataType type, params long[] dims) => new() { Name = name, DataType = type, Dims = dims };

    private ModelSettings Complete(string config, bool isOpen) => Plan(
        "max_batch_size: 8 input { name: 'x' data_type: TYPE_FP32 dims: 4 } output { name: 'y' data_type: TYPE_FP32 dims: [ -1, 2 ] } " + config)
        .Complete(new ModelDescription([], []) { IsOpen = isOpen });

    private ModelLoadPlan Plan(string config)
    {
        _folder.Write("m/1/model.onnx");
        var parsed = TextFormat.Parse<ModelConfig>(Encoding.UTF8.GetBytes(config), "config.pbtxt");
        return new ModelLoadPlan(parsed, new ModelVersionFolder("m", Path.Combine(_folder.Path, "m"), 1), new ModelConfigOptions());
    }
}
