using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Sluice.Control.Artifacts;
using Sluice.Control.Endpoints;
using Sluice.Control.Records;
using Sluice.Inference;
using Sluice.Models;

namespace Sluice.Control.Reconciler;

/// <summary>Loads one endpoint: fetches its files, loads its model into the model table, gives the plan to an engine.</summary>
/// <remarks><b>Threads.</b> Any number of loads; one at a time of one endpoint.</remarks>
internal sealed class EndpointLoader(
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
        var held = new List<Action>();
        StagedModel? staged = null;
        try
        {
            tell(EndpointPhase.Downloading, 0);
            var progress = new Telling(share => tell(EndpointPhase.Downloading, share));
            var code = await AcquireAsync(target.Code, null, held, cancellationToken).ConfigureAwait(false);
            var file = target.RemoteServer is null
                ? await AcquireAsync(target.Model, progress, held, cancellationToken).ConfigureAwait(false)
                : null;
            tell(EndpointPhase.Loading, 0);
            var model = Keep(target, previous, held);
            if (model is null && (staged = await StageAsync(target, file?.Path).ConfigureAwait(false)) is not null)
            {
                model = staged.Model;
                model.TryAddReference();
                held.Add(model.Release);
            }

            var plan = EndpointPlans.Create(target.Spec, file?.Path, code, model, calls);
            var runner = await EngineFor(plan).LoadAsync(plan, cancellationToken).ConfigureAwait(false);
            var (releases, published) = (held, staged);
            (held, staged) = ([], null);
            var loaded = new LoadedEndpoint(runner, model, () => Release(releases));
            // From here on nothing can fail but the server's end: callers by name get the model, callers of the endpoint its code with it.
            if (published is not null)
                await published.PublishAsync().ConfigureAwait(false);
            return new EndpointLoad(target, loaded);
        }
        finally
        {
            await Release(held).ConfigureAwait(false);
            if (staged is not null)
                await staged.DiscardAsync().ConfigureAwait(false);
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

    private static ValueTask Release(List<Action> held)
    {
        held.ForEach(release => release());
        return ValueTask.CompletedTask;
    }

    private async Task<ArtifactLease?> AcquireAsync(
        ArtifactReference? reference, IProgress<TransferProgress>? progress, List<Action> held, CancellationToken cancellationToken)
    {
        if (reference is null)
            return null;
        var lease = await artifacts.AcquireAsync(reference, progress, cancellationToken).ConfigureAwait(false);
        held.Add(lease.Dispose);
        return lease;
    }

    /// <summary>The model that runs already, when it is the wanted one.</summary>
    private IModelReference? Keep(EndpointTarget target, EndpointLoad? previous, List<Action> held)
    {
        if (previous?.Loaded.Model is not { } model || previous.Target.ModelPart != target.ModelPart || !models.IsServing(model) ||
            !model.TryAddReference())
            return null;
        held.Add(model.Release);
        return model;
    }

    /// <summary>Null when no model of this server's is wanted, or when it is for Python to load, or for the user's own <c>load</c>.</summary>
    private async Task<StagedModel?> StageAsync(EndpointTarget target, string? path)
    {
        switch (target.Spec.EngineType)
        {
            case EngineNames.Triton:
                return await LoadModelAsync(target, path).ConfigureAwait(false);
            case EngineNames.LightGbm when path is not null:
                try
                {
                    return await LoadModelAsync(target, path).ConfigureAwait(false);
                }
                catch (InferenceException)
                {
                    return null;
                }

            default:
                return null;
        }
    }

    private Task<StagedModel> LoadModelAsync(EndpointTarget target, string? path)
    {
        var name = NameFor(target.Spec.Key);
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

        return models.StageManagedAsync(name, root, config);
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

    /// <summary>Hands progress on at once, on the thread that makes it.</summary>
    private sealed class Telling(Action<double> tell) : IProgress<TransferProgress>
    {
        public void Report(TransferProgress value) => tell(value.Share);
    }
}
