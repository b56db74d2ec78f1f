using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.Samples.Sequences;

/// <summary>Counts down: a number n is answered by n responses from n - 1 to 0, one at least.</summary>
internal sealed class IterativeModel(ModelSettings settings, TimeProvider time) : IBackendModel
{
    private readonly TimeSpan _delay = SampleParameters.Milliseconds(settings, "execute_delay_ms");

    public ModelDescription Description { get; } = new(
        [SampleTensors.Describe(settings, "INPUT", DataType.Int32, [1])],
        [SampleTensors.Describe(settings, "OUTPUT", DataType.Int32, [1])]);

    public IModelInstance CreateInstance(ModelSettings settings, InstancePlacement placement)
    {
        SampleTensors.Find(settings, "input", settings.Inputs, Description.Inputs);
        SampleTensors.Find(settings, "output", settings.Outputs, Description.Outputs);
        return new IterativeInstance(settings.Sequence is not null, _delay, time);
    }

    public void Dispose()
    {
    }
}
