using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.Samples.Repeat;

/// <summary>Answers each element of <c>IN</c> by a response of its own, after the element's <c>DELAY</c>.</summary>
internal sealed class RepeatModel(ModelSettings settings, TimeProvider time) : IBackendModel
{
    public ModelDescription Description { get; } = new(
        [
            SampleTensors.Describe(settings, "IN", DataType.Int32, [-1]),
            SampleTensors.Describe(settings, "DELAY", DataType.UInt32, [-1], isOptional: true),
            SampleTensors.Describe(settings, "WAIT", DataType.UInt32, [1], isOptional: true),
        ],
        [
            SampleTensors.Describe(settings, "OUT", DataType.Int32, [1]),
            SampleTensors.Describe(settings, "IDX", DataType.UInt32, [1], isOptional: true),
        ]);

    public IModelInstance CreateInstance(ModelSettings settings, InstancePlacement placement) => new RepeatInstance(
        settings,
        SampleTensors.Find(settings, "input", settings.Inputs, Description.Inputs),
        SampleTensors.Find(settings, "output", settings.Outputs, Description.Outputs),
        time);

    public void Dispose()
    {
    }
}
