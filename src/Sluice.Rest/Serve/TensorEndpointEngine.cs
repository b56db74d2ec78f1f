using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Rest.Serve;

/// <summary>Endpoints of engine <c>triton</c> without code of the user's: named tensors in JSON, both ways.</summary>
/// <param name="engine">Runs models.</param>
/// <param name="pool">Memory for tensors.</param>
public sealed class TensorEndpointEngine(IInferenceEngine engine, TensorBufferPool pool) : IEndpointEngine
{
    /// <inheritdoc/>
    public IReadOnlyCollection<string> Engines { get; } = ["triton"];

    /// <inheritdoc/>
    public bool CanLoad(EndpointPlan plan) => plan is { Engine: "triton", PreprocessPath: null, Model: not null };

    /// <inheritdoc/>
    public Task<IEndpointRunner> LoadAsync(EndpointPlan plan, CancellationToken cancellationToken) =>
        Task.FromResult<IEndpointRunner>(new TensorEndpointRunner(plan, plan.Model!, engine, pool));

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
