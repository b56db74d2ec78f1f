using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using Sluice.Inference;

namespace Sluice.Models;

/// <summary>What the server adds to every model's own configuration.</summary>
public sealed partial record ModelConfigOptions
{
    /// <summary>The engine that runs Python code, that of models and that of engines.</summary>
    internal const string PythonEngine = "python";

    /// <summary>Name of the file that holds an engine's code, and of the <c>runtime</c> of its models.</summary>
    internal const string EngineCodeFile = "model.py";

    /// <summary>Completes configurations from the model file. Default true.</summary>
    /// <remarks><c>--disable-auto-complete-config</c> clears it.</remarks>
    public bool AutoComplete { get; init; } = true;

    /// <summary>Settings by engine name, then key; the engine "" stands for all.</summary>
    /// <remarks><c>--backend-config engine,key=value</c>.</remarks>
    public ImmutableDictionary<string, ImmutableDictionary<string, string>> BackendConfig { get; init; } =
        ImmutableDictionary<string, ImmutableDictionary<string, string>>.Empty;

    /// <summary>GPUs that engines may use. Default none: <c>KIND_AUTO</c> then means CPU.</summary>
    public ImmutableArray<int> UsableGpus { get; init; } = [];

    /// <summary>Folder with a folder for each engine that is Python code, <c>NAME/model.py</c>; null = none (default).</summary>
    /// <remarks><c>--backend-directory</c>.</remarks>
    public string? BackendFolder { get; init; }

    /// <summary>Finds the code of an engine that is a folder of <see cref="BackendFolder"/>, which may have come since the start.</summary>
    /// <param name="backend">The engine, as a configuration names it; one that leads out of the folder has no code.</param>
    /// <returns>The file; null when the engine is none of these.</returns>
    public string? FindEngineCode(string backend) =>
        BackendFolder is not null && backend != PythonEngine && FolderName().IsMatch(backend) &&
        Path.Combine(BackendFolder, backend, EngineCodeFile) is var file && File.Exists(file)
            ? file
            : null;

    /// <summary>Lists the engines that are folders of <see cref="BackendFolder"/> now, in the order of their names.</summary>
    public IEnumerable<(string Backend, string File)> ListEngineCode() =>
        BackendFolder is null || !Directory.Exists(BackendFolder)
            ? []
            : from folder in Directory.EnumerateDirectories(BackendFolder, "*", new EnumerationOptions { IgnoreInaccessible = true }).Order(StringComparer.Ordinal)
              let backend = Path.GetFileName(folder)
              let file = FindEngineCode(backend)
              where file is not null
              select (backend, file);

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

    [GeneratedRegex(@"^[A-Za-z0-9_][A-Za-z0-9_.+-]*\z", RegexOptions.CultureInvariant)]
    private static partial Regex FolderName();

    private ImmutableDictionary<string, string> Section(string backend) =>
        BackendConfig.GetValueOrDefault(backend, ImmutableDictionary<string, string>.Empty);
}
