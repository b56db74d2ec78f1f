using Sluice.Inference;

namespace Sluice.Backends.Samples.Identity;

/// <summary>Copies inputs to outputs on the calling thread; with a delay, it ends later and elsewhere.</summary>
internal sealed class IdentityInstance(ModelSettings settings, int[] sources, TimeSpan delay, TimeProvider time) : IModelInstance
{
    /// <summary>What the original gives with every response, as an example.</summary>
    private static readonly ResponseParameter[] ExampleParameters =
    [
        ResponseParameter.Of("param0", "an example string parameter"),
        ResponseParameter.Of("param1", 42),
        ResponseParameter.Of("param2", false),
        ResponseParameter.Of("param3", 123.123),
    ];

    private readonly SampleDelay _delay = new(settings, time);

    public ValueTask ExecuteAsync(ExecutionBatch batch)
    {
        if (delay > TimeSpan.Zero)
            return ExecuteLaterAsync(batch);
        Copy(batch);
        return ValueTask.CompletedTask;
    }

    public void Terminate() => _delay.Terminate();

    public void Dispose()
    {
    }

    private async ValueTask ExecuteLaterAsync(ExecutionBatch batch)
    {
        await _delay.WaitAsync(delay).ConfigureAwait(false);
        Copy(batch);
    }

    private unsafe void Copy(ExecutionBatch batch)
    {
        foreach (ref readonly var parameter in ExampleParameters.AsSpan())
            batch.AddParameter(in parameter);
        for (var i = 0; i < sources.Length; i++)
        {
            if (!batch.IsRequested(i))
                continue;
            ref var input = ref batch.Inputs[sources[i]];
            if (!input.IsPresent)
            {
                // An optional input that did not come has no output.
                batch.Withdraw(i);
                continue;
            }

            var output = SampleTensors.WriteBytes(batch, i, in input.Shape, input.ByteLength);
            new ReadOnlySpan<byte>(input.Data, input.ByteLength).CopyTo(output);
        }
    }
}
