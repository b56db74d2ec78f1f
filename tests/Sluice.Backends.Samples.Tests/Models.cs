using System.Collections.Immutable;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.Samples.Tests;

/// <summary>Configurations of sample models, and one engine that stands for all of them.</summary>
internal static class Models
{
    public static ModelSettings Of(string backend, int maxBatchSize = 0, params (string Key, string Value)[] parameters) => new()
    {
        Name = $"some_{backend}",
        Version = "1",
        Backend = backend,
        ModelFolder = "",
        VersionFolder = "",
        ModelFilename = "",
        MaxBatchSize = maxBatchSize,
        Parameters = parameters.ToImmutableDictionary(parameter => parameter.Key, parameter => parameter.Value),
    };

    public static ModelSettings Identity(DataType type, params (string Key, string Value)[] parameters) =>
        Of("identity", 8, parameters) with { Inputs = [Tensor("INPUT0", type, -1)], Outputs = [Tensor("OUTPUT0", type, -1)] };

    public static TensorSettings Tensor(string name, DataType type, params long[] dims) =>
        new() { Name = name, DataType = type, Dims = dims };

    public static IBackend Backend(string name, TimeProvider? time = null) =>
        SampleBackends.Create(time ?? TimeProvider.System).Single(backend => backend.Name == name);
}

/// <summary>Hands each model to the engine that it names.</summary>
internal sealed class AllSamples(TimeProvider time) : IBackend
{
    private readonly IReadOnlyList<IBackend> _backends = SampleBackends.Create(time);

    public string Name => "samples";

    public IBackendModel Load(ModelSettings settings) => _backends.Single(backend => backend.Name == settings.Backend).Load(settings);

    public void Dispose()
    {
        foreach (var backend in _backends)
            backend.Dispose();
    }
}
