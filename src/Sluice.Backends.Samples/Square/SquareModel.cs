using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.Samples.Square;

/// <summary>Answers a number n by n responses of n; some of them fail or stay away where the parameters say so.</summary>
internal sealed class SquareModel(ModelSettings settings, TimeProvider time) : IBackendModel
{
    private readonly SquareOptions _options = SquareOptions.Read(settings);

    public ModelDescription Description { get; } = new(
        [SampleTensors.Describe(settings, "IN", DataType.Int32, [1])],
        [SampleTensors.Describe(settings, "OUT", DataType.Int32, [1])]);

    public IModelInstance CreateInstance(ModelSettings settings, InstancePlacement placement)
    {
        SampleTensors.Find(settings, "input", settings.Inputs, Description.Inputs);
        SampleTensors.Find(settings, "output", settings.Outputs, Description.Outputs);
        return new SquareInstance(_options, time);
    }

    public void Dispose()
    {
    }
}
