using Sluice.Inference;

namespace Sluice.Server.Access;

/// <summary>Holds callers to the models that they may run, request by request, around the engine.</summary>
/// <remarks>Stands in the way only where callers are asked who they are.</remarks>
public sealed class AccessEngine(IInferenceEngine inner) : IInferenceEngine
{
    /// <inheritdoc/>
    public ValueTask InferAsync(InferRequest request)
    {
        if (request.Lifetime is not ICallOrigin { Caller: { IsConfined: true } caller } ||
            caller.MayInfer(request.Text(request.ModelName)))
            return inner.InferAsync(request);
        request.IsRefused = true;
        request.Fail(
            InferenceCode.PermissionDenied,
            $"caller '{caller.Name}' has no scope 'infer:{request.TextString(request.ModelName)}'");
        return ValueTask.CompletedTask;
    }
}
