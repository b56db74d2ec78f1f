using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.Samples.AddSub;

/// <summary>Adds and subtracts two INT32 inputs; the difference is computed by a second worker within the instance.</summary>
internal sealed class AddSubModel(ModelSettings settings) : IBackendModel
{
    public ModelDescription Description { get; } = new(
        [
            SampleTensors.Describe(settings, "INPUT0", DataType.Int32, [-1]),
            SampleTensors.Describe(settings, "INPUT1", DataType.Int32, [-1]),
        ],
        [
            SampleTensors.Describe(settings, "OUTPUT0", DataType.Int32, [-1]),
            SampleTensors.Describe(settings, "OUTPUT1", DataType.Int32, [-1]),
        ]);

    public IModelInstance CreateInstance(ModelSettings settings, InstancePlacement placement)
    {
        var inputs = SampleTensors.Find(settings, "input", settings.Inputs, Description.Inputs);
        var outputs = SampleTensors.Find(settings, "output", settings.Outputs, Description.Outputs);
        return new AddSubInstance(settings, inputs, outputs);
    }

    public void Dispose()
    {
    }
}
