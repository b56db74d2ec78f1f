using Sluice.Backends.TestKit;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.Samples.Tests;

/// <summary>The suite that every engine passes, over <c>identity</c> and <c>distributed_addsub</c>.</summary>
public sealed class SampleSuiteTests : BackendSuite
{
    protected override IBackend Backend { get; } = new AllSamples(TimeProvider.System);

    protected override ModelSettings? Identity(DataType type) => Models.Identity(type);

    protected override ModelSettings AddSub() => Models.Of("distributed_addsub", 8) with
    {
        Inputs = [Models.Tensor("INPUT0", DataType.Int32, 16), Models.Tensor("INPUT1", DataType.Int32, 16)],
        Outputs = [Models.Tensor("OUTPUT0", DataType.Int32, 16), Models.Tensor("OUTPUT1", DataType.Int32, 16)],
    };

    protected override ModelSettings? Slow() => null;

    protected override ModelSettings? Missing() => null;
}
