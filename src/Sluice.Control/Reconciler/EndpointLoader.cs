using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Sluice.Control.Artifacts;
using Sluice.Control.Endpoints;
using Sluice.Control.Records;
using Sluice.Inference;
using Sluice.Models;

namespace Sluice.Control.Reconciler;

/// <summary>Loads one endpoint: fetches its files, loads its model into the model table, gives the plan to an engine.</summary>
/// <remarks><b>Threads.</b> Any number of loads; one at a time of one endpoint.</remarks>
internal sealed partial class EndpointLoader(
    ModelLifecycle models, IReadOnlyList<IEndpointEngine> engines, IArtifactCache artifacts, IEndpointCalls calls, string workFolder)
{
    private readonly ConcurrentDictionary<string, string> _owners = new(StringComparer.Ordinal);

    /// <summary>Loads an endpoint until it can be called.</summary>
    /// <param name="target">What is wanted.</param>
    /// <param name="previous">What runs now; its model is kept when it is the wanted one.</param>
    /// <param name="tell">Told how far it is.</param>
    /// <param name="cancellationToken">Something else is wanted now.</param>
    /// <exception cref="InferenceException">It cannot be loaded.</exception>
    public async Task<EndpointLoad> LoadAsync(
        EndpointTarget target, EndpointLoad? previous, Action<EndpointPhase, double> tell, CancellationToken cancellationToken)
    {
        if (target.Fault.Length > 0)
            throw InferenceException.Invalid(target.Fault);
        var leases = new List<ArtifactLease>();
        try
        {
            tell(EndpointPhase.Downloading, 0);
            var progress = new Telling(share => tell(EndpointPhase.Downloading, share));
            var code = await AcquireAsync(target.Code, null, leases, cancellationToken).ConfigureAwait(false);
            var model = target.RemoteServer is null
                ? await AcquireAsync(target.Model, progress, leases, cancellationToken).ConfigureAwait(false)
                : null;
            tell(EndpointPhase.Loading, 0);
            var modelName = target.Spec.EngineType switch
            {
                EngineNames.Triton => await LoadModelAsync(target, previous, model?.Path).ConfigureAwait(false),
                EngineNames.LightGbm when model is not null => await TryLoadModelAsync(target, previous, model.Path).ConfigureAwait(false),
                _ => null,
            };
            var plan = EndpointPlans.Create(target.Spec, model?.Path, code, modelName, calls);
            var runner = await LoadRunnerAsync(plan, target, previous, cancellationToken).ConfigureAwait(false);
            var held = leases;
            leases = [];
            return new EndpointLoad(target, new LoadedEndpoint(runner, modelName, () => Release(held)), model?.Path);
        }
        finally
        {
            leases.ForEach(lease => lease.Dispose());
        }
    }

    /// <summary>Unloads the model of an endpoint that is gone.</summary>
    public async Task UnloadAsync(string modelName)
    {
        await models.UnloadManagedAsync(modelName).ConfigureAwait(false);
        _owners.TryRemove(modelName, out _);
    }

    /// <summary>Two keys may give one name, as <c>a/b</c> and <c>a_b</c> do; the later one gets another.</summary>
    private string NameFor(string key)
    {
        var name = EndpointModel.NameOf(key);
        return _owners.GetOrAdd(name, key) == key
            ? name
            : $"{name}~{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)).AsSpan(0, 4))}";
    }

    private static ValueTask Release(List<ArtifactLease> leases)
    {
        leases.ForEach(lease => lease.Dispose());
        return ValueTask.CompletedTask;
    }

    private async Task<ArtifactLease?> AcquireAsync(
        ArtifactReference? reference, IProgress<TransferProgress>? progress, List<ArtifactLease> leases,
        CancellationToken cancellationToken)
    {
        if (reference is null)
            return null;
        var lease = await artifacts.AcquireAsync(reference, progress, cancellationToken).ConfigureAwait(false);
        leases.Add(lease);
        return lease;
    }

    private async Task<IEndpointRunner> LoadRunnerAsync(
        EndpointPlan plan, EndpointTarget target, EndpointLoad? previous, CancellationToken cancellationToken)
    {
        try
        {
            return await EngineFor(plan).LoadAsync(plan, cancellationToken).ConfigureAwait(false);
        }
        catch when (previous is { Loaded.ModelName: not null } && previous.Target.ModelPart != target.ModelPart)
        {
            // What goes on serving gets back the model that it was made for.
            await LoadModelAsync(previous.Target, null, previous.ModelPath).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Null when the server cannot run the file: then it is for Python to load, or for the user's own <c>load</c>.</summary>
    private async Task<string?> TryLoadModelAsync(EndpointTarget target, EndpointLoad? previous, string path)
    {
        try
        {
            return await LoadModelAsync(target, previous, path).ConfigureAwait(false);
        }
        catch (InferenceException)
        {
            await models.UnloadManagedAsync(NameFor(target.Spec.Key)).ConfigureAwait(false);
            return null;
        }
    }

    private async Task<string> LoadModelAsync(EndpointTarget target, EndpointLoad? previous, string? path)
    {
        var name = NameFor(target.Spec.Key);
        if (previous is not null && previous.Target.ModelPart == target.ModelPart && models.Table.Find(name)?.Latest is not null)
            return name;
        var config = EndpointModel.Configure(target, path, name);
        var root = Path.Combine(workFolder, Guid.NewGuid().ToString("N"));
        try
        {
            EndpointModel.Lay(root, name, path, config);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InferenceException(InferenceCode.Internal, $"the model's folder cannot be laid out: {error.Message}", error);
        }

        try
        {
            await models.LoadManagedAsync(name, root, config).ConfigureAwait(false);
        }
        catch (InferenceException error)
        {
            throw new InferenceException(error.Code, VersionPrefix().Replace(error.Message, "").TrimEnd(';'), error);
        }

        return name;
    }

    private IEndpointEngine EngineFor(EndpointPlan plan)
    {
        foreach (var engine in engines)
        {
            if (engine.CanLoad(plan))
                return engine;
        }

        var known = engines.SelectMany(engine => engine.Engines).Distinct().Order(StringComparer.Ordinal).ToList();
        throw new InferenceException(
            InferenceCode.Unimplemented,
            plan is { Engine: EngineNames.Triton, PreprocessPath: not null }
                ? $"this server runs no Python, which the code of endpoint '{plan.Key}' needs"
                : $"this server has no engine '{plan.Engine}'; it has: {string.Join(", ", known)}");
    }

    [GeneratedRegex(@"^version \d+ is at UNAVAILABLE state: ")]
    private static partial Regex VersionPrefix();

    /// <summary>Hands progress on at once, on the thread that makes it.</summary>
    private sealed class Telling(Action<double> tell) : IProgress<TransferProgress>
    {
        public void Report(TransferProgress value) => tell(value.Share);
    }
}
