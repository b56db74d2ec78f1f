using System.Collections.Immutable;
using System.Globalization;
using Sluice.Inference;

namespace Sluice.Models;

/// <summary>What the server adds to every model's own configuration.</summary>
public sealed record ModelConfigOptions
{
    /// <summary>Completes configurations from the model file. Default true.</summary>
    /// <remarks><c>--disable-auto-complete-config</c> clears it.</remarks>
    public bool AutoComplete { get; init; } = true;

    /// <summary>Settings by engine name, then key; the engine "" stands for all.</summary>
    /// <remarks><c>--backend-config engine,key=value</c>.</remarks>
    public ImmutableDictionary<string, ImmutableDictionary<string, string>> BackendConfig { get; init; } =
        ImmutableDictionary<string, ImmutableDictionary<string, string>>.Empty;

    /// <summary>GPUs that engines may use. Default none: <c>KIND_AUTO</c> then means CPU.</summary>
    public ImmutableArray<int> UsableGpus { get; init; } = [];

    /// <summary>Settings that apply to one engine; its own win over those for all.</summary>
    public ImmutableDictionary<string, string> BackendConfigFor(string backend) =>
        Section("").SetItems(Section(backend));

    /// <summary>Batch size given to models that can batch and name none.</summary>
    /// <param name="backend">The engine.</param>
    /// <param name="fallback">Where the operator names none.</param>
    /// <exception cref="InferenceException">The operator's value is no number.</exception>
    public int DefaultMaxBatchSize(string backend, int fallback = 4)
    {
        const string Key = "default-max-batch-size";
        if (!BackendConfigFor(backend).TryGetValue(Key, out var text))
            return fallback;

        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw InferenceException.Invalid($"backend config '{Key}' of '{backend}' is no number: '{text}'");
    }

    private ImmutableDictionary<string, string> Section(string backend) =>
        BackendConfig.GetValueOrDefault(backend, ImmutableDictionary<string, string>.Empty);
}
