using Sluice.Inference;

namespace Sluice.Backends.Samples.Identity;

/// <summary>Copies each input <c>INPUTx</c> to its output <c>OUTPUTx</c>; any types and shapes, equal in pairs.</summary>
internal sealed class IdentityModel : IBackendModel
{
    private const string InputPrefix = "INPUT";
    private const string OutputPrefix = "OUTPUT";

    private readonly TimeProvider _time;
    private readonly TimeSpan _delay;
    private readonly long _multiplier;

    public IdentityModel(ModelSettings settings, TimeProvider time)
    {
        _time = time;
        if (settings.Inputs.IsEmpty)
            throw InferenceException.Invalid($"model '{settings.Name}' of backend 'identity' must configure its inputs and outputs");
        if (settings.Inputs.Length != settings.Outputs.Length)
            throw InferenceException.Invalid("model configuration must have equal input/output pairs");
        foreach (var output in settings.Outputs)
            CheckPair(settings, output);
        _delay = SampleParameters.Milliseconds(settings, "execute_delay_ms");
        _multiplier = SampleParameters.Number(settings, "instance_wise_delay_multiplier", 1_000_000);
        var creation = SampleParameters.Milliseconds(settings, "creation_delay_sec") * 1000;

        // Loads have threads of their own that may block; a slow creation is what the parameter is for.
        if (creation > TimeSpan.Zero)
            Task.Delay(creation, time).Wait();
        Description = new ModelDescription(
            SampleTensors.DescribeConfigured(settings, settings.Inputs),
            SampleTensors.DescribeConfigured(settings, settings.Outputs));
    }

    public ModelDescription Description { get; }

    public IModelInstance CreateInstance(ModelSettings settings, InstancePlacement placement)
    {
        var sources = new int[settings.Outputs.Length];
        for (var i = 0; i < sources.Length; i++)
            sources[i] = Array.FindIndex([.. settings.Inputs], input => input.Name == SourceOf(settings.Outputs[i].Name));
        if (Array.IndexOf(sources, -1) is var missing and >= 0)
            throw InferenceException.Invalid(
                $"expected input and output indices to match: model '{settings.Name}' has no input for '{settings.Outputs[missing].Name}'");
        var factor = _multiplier > 0 ? Math.Max(1, _multiplier * IndexOf(placement)) : 1;
        return new IdentityInstance(settings, sources, _delay * factor, _time);
    }

    public void Dispose()
    {
    }

    private static void CheckPair(ModelSettings settings, TensorSettings output)
    {
        if (!output.Name.StartsWith(OutputPrefix, StringComparison.Ordinal))
            throw InferenceException.Invalid($"expected output name to follow OUTPUT<index> pattern, got '{output.Name}'");
        foreach (var input in settings.Inputs)
        {
            if (!input.Name.StartsWith(InputPrefix, StringComparison.Ordinal))
                throw InferenceException.Invalid($"expected input name to follow INPUT<index> pattern, got '{input.Name}'");
            if (input.Name != SourceOf(output.Name))
                continue;
            if (input.DataType != output.DataType)
                throw InferenceException.Invalid(
                    $"expected input and output datatype to match, got {input.DataType} and {output.DataType} for '{output.Name}' " +
                    $"of model '{settings.Name}'");
            var (from, to) = (input.Reshape ?? input.Dims, output.Reshape ?? output.Dims);
            if (!from.AsSpan().SequenceEqual(to))
                throw InferenceException.Invalid(
                    $"expected input and output shape to match, got [{string.Join(',', from)}] and [{string.Join(',', to)}] for " +
                    $"'{output.Name}' of model '{settings.Name}'");
            return;
        }

        throw InferenceException.Invalid(
            $"expected input and output indices to match: model '{settings.Name}' has no input for '{output.Name}'");
    }

    private static string SourceOf(string output) => InputPrefix + output[OutputPrefix.Length..];

    /// <summary>The instance's number is the end of its name.</summary>
    private static long IndexOf(InstancePlacement placement) =>
        long.TryParse(placement.Name.AsSpan(placement.Name.LastIndexOf('_') + 1), out var index) ? index : 0;
}
