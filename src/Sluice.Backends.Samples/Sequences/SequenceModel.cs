using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.Samples.Sequences;

/// <summary>Adds up <c>INPUT</c> over the requests of a sequence; the controls come as inputs.</summary>
internal sealed class SequenceModel : IBackendModel
{
    private readonly SequenceKind _kind;
    private readonly TimeProvider _time;
    private readonly TimeSpan _delay;

    public SequenceModel(ModelSettings settings, SequenceKind kind, TimeProvider time)
    {
        _kind = kind;
        _time = time;
        _delay = SampleParameters.Milliseconds(settings, "execute_delay_ms");
        TensorDescription[] controls =
        [
            SampleTensors.Describe(settings, "START", DataType.Int32, [1]),
            SampleTensors.Describe(settings, "READY", DataType.Int32, [1]),
        ];
        TensorDescription[] more = kind == SequenceKind.Slots
            ? []
            :
            [
                SampleTensors.Describe(settings, "END", DataType.Int32, [1]),
                SampleTensors.Describe(settings, "CORRID", IdTypeOf(settings), [1]),
            ];
        Description = new ModelDescription(
            [SampleTensors.Describe(settings, "INPUT", DataType.Int32, [-1]), .. controls, .. more],
            [SampleTensors.Describe(settings, "OUTPUT", DataType.Int32, [-1])])
        {
            KeepsRowState = kind == SequenceKind.Slots,
        };
    }

    public ModelDescription Description { get; }

    /// <summary>Texts are allowed where the scheduler gives them; they must be numbers.</summary>
    private static DataType IdTypeOf(ModelSettings settings) =>
        settings.Sequence?.Controls.FirstOrDefault(control => control.Kind == ControlKind.CorrelationId)?.DataType == DataType.Bytes
            ? DataType.Bytes
            : DataType.UInt64;

    public IModelInstance CreateInstance(ModelSettings settings, InstancePlacement placement)
    {
        var inputs = SampleTensors.Find(settings, "input", settings.Inputs, Description.Inputs);
        SampleTensors.Find(settings, "output", settings.Outputs, Description.Outputs);
        return new SequenceInstance(settings, _kind, inputs, _delay, _time);
    }

    public void Dispose()
    {
    }
}
