using System.Globalization;
using System.Text.Json.Nodes;
using Sluice.Backends.Python.Workers;
using Sluice.Inference;

namespace Sluice.Backends.Python.Endpoints;

/// <summary>Runs endpoints of the ClearML style: users' <c>Preprocess</c> classes with the engines that live in Python, and around
/// models that the server runs itself.</summary>
/// <param name="runtime">Shared with the other Python engines; owned by the caller.</param>
/// <param name="settings">The operator's, for endpoints that say nothing else; names in lower case with dashes.</param>
/// <param name="workers">Processes of an endpoint for which nobody says a number.</param>
public sealed class PythonEndpointEngine(
    PythonRuntime runtime, IReadOnlyDictionary<string, string>? settings = null, int workers = 1) : IEndpointEngine
{
    /// <summary>Most processes of one endpoint.</summary>
    public const int MostWorkers = 256;

    private const string SettingPrefix = "python.";

    /// <inheritdoc/>
    public IReadOnlyCollection<string> Engines { get; } = ["sklearn", "xgboost", "lightgbm", "custom", "custom_async", "triton"];

    /// <inheritdoc/>
    public async Task<IEndpointRunner> LoadAsync(EndpointPlan plan, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        string? Value(string name) => plan.Auxiliary.GetValueOrDefault(SettingPrefix + name.ToLowerInvariant()) ??
            SettingOfModelsToo(name.ToLowerInvariant().Replace('_', '-'));
        var process = WorkerPlans.Create(runtime, plan.Key, plan.Key, plan.PreprocessPath ?? "", Value, LoadOf(plan));
        process = await runtime.Packages.AddAsync(process, takesExtra: true, cancellationToken).ConfigureAwait(false);
        var count = Whole(plan.Key, Value("WORKERS"), "workers", workers, MostWorkers);
        var mostCalls = Whole(plan.Key, Value("MAX_CALLS"), "max_calls", 4096, int.MaxValue / 2);
        EndpointWorker[] processes =
        [
            .. Enumerable.Range(0, count).Select(i => new EndpointWorker(
                runtime, plan, process with { Name = count == 1 ? plan.Key : $"{plan.Key}_{i}" })),
        ];
        try
        {
            await Task.WhenAll(processes.Select(worker => worker.StartAsync(cancellationToken))).ConfigureAwait(false);
        }
        catch
        {
            await Task.WhenAll(processes.Select(worker => worker.DisposeAsync().AsTask())).ConfigureAwait(false);
            throw;
        }

        return new PythonEndpointRunner(plan.Key, processes, mostCalls, runtime.Time);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    // What lies in a model's folder is not there for an endpoint.
    private string? SettingOfModelsToo(string name) =>
        settings?.GetValueOrDefault(name) is { } value && !value.Contains(WorkerPlans.ModelFolderMark, StringComparison.Ordinal) ? value : null;

    private static JsonObject LoadOf(EndpointPlan plan) => new()
    {
        ["kind"] = "endpoint",
        ["key"] = plan.Key,
        ["engine"] = plan.Engine,
        ["model_path"] = plan.ModelPath,
        ["preprocess"] = plan.PreprocessPath,
        ["model_name"] = plan.ModelName,
        ["record"] = plan.RecordJson,
        ["inputs"] = Tensors(plan.Inputs),
        ["outputs"] = Tensors(plan.Outputs),
    };

    private static JsonArray Tensors(IReadOnlyList<EndpointTensor> tensors) =>
        [.. tensors.Select(tensor => new JsonObject { ["name"] = tensor.Name, ["type"] = tensor.NumpyType })];

    private static int Whole(string key, string? text, string name, int other, int most)
    {
        if (text is null)
            return other;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= 1 && number <= most
            ? number
            : throw InferenceException.Invalid(
                $"'{SettingPrefix}{name}' of endpoint '{key}' must be a whole number from 1 to {most}, not '{text}'");
    }
}
