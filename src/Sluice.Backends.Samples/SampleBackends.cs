using Sluice.Backends.Samples.AddSub;
using Sluice.Backends.Samples.Identity;
using Sluice.Backends.Samples.Repeat;
using Sluice.Backends.Samples.Sequences;
using Sluice.Backends.Samples.Square;
using Sluice.Inference;

namespace Sluice.Backends.Samples;

/// <summary>The built-in test models: engines without a model file, named like the ecosystem's own test backends.</summary>
public static class SampleBackends
{
    /// <summary>Makes all of them.</summary>
    /// <param name="time">What their configured delays wait for.</param>
    public static IReadOnlyList<IBackend> Create(TimeProvider time) =>
    [
        new SampleBackend("identity", settings => new IdentityModel(settings, time)),
        new SampleBackend("repeat", settings => new RepeatModel(settings, time)),
        new SampleBackend("square", settings => new SquareModel(settings, time)),
        new SampleBackend("sequence", settings => new SequenceModel(settings, SequenceKind.Slots, time)),
        new SampleBackend("dyna_sequence", settings => new SequenceModel(settings, SequenceKind.Correlations, time)),
        new SampleBackend("iterative_sequence", settings => new IterativeModel(settings, time)),
        new SampleBackend("distributed_addsub", settings => new AddSubModel(settings)),
    ];
}
