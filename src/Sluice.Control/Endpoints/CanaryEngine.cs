using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text;
using Sluice.Control.Canaries;
using Sluice.Inference;

namespace Sluice.Control.Endpoints;

/// <summary>Makes canaries callable as models: draws an arm for each request and names its model instead.</summary>
/// <remarks>Requests pay one read and one branch where there is no canary.</remarks>
public sealed class CanaryEngine(IInferenceEngine inner, EndpointTable table) : IInferenceEngine
{
    private const int LongestName = 512;

    /// <inheritdoc/>
    public ValueTask InferAsync(InferRequest request)
    {
        var snapshot = table.Snapshot;
        return snapshot.Canaries.Count == 0 || request.Model is not null || Find(snapshot, request) is not { } canary
            ? inner.InferAsync(request)
            : RunAsync(canary, request);
    }

    private static CanaryState? Find(EndpointSnapshot snapshot, InferRequest request)
    {
        var name = request.Text(request.ModelName);
        var version = request.Text(request.ModelVersion);
        if (name.Length + version.Length > LongestName)
            return null;
        Span<char> text = stackalloc char[LongestName + 1];
        var length = Encoding.UTF8.GetChars(name, text);
        if (!version.IsEmpty)
        {
            // Clients of the original always ask for version 1, which a canary does not have.
            var full = text;
            full[length] = '/';
            var fullLength = length + 1 + Encoding.UTF8.GetChars(version, full[(length + 1)..]);
            if (snapshot.TryGetCanary(full[..fullLength], out var versioned))
                return versioned;
            if (!version.SequenceEqual("1"u8))
                return null;
        }

        return snapshot.TryGetCanary(text[..length], out var canary) ? canary : null;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask RunAsync(CanaryState canary, InferRequest request)
    {
        var beganAt = Stopwatch.GetTimestamp();
        if (Choose(ref canary, request, out var counter) is not { } loaded)
            return;
        try
        {
            request.ModelName = request.AddText(loaded.ModelNameUtf8);
            request.ModelVersion = default;
            request.Model = loaded.Model;
            await inner.InferAsync(request).ConfigureAwait(false);
        }
        finally
        {
            loaded.Release();
            counter!.Record(request.IsOk, Stopwatch.GetTimestamp() - beganAt);
        }
    }

    /// <returns>An endpoint with a reference; null when the request has failed.</returns>
    private LoadedEndpoint? Choose(ref CanaryState canary, InferRequest request, out CanaryArmCounter? counter)
    {
        while (true)
        {
            counter = null;
            var arms = canary.Resolution.Arms;
            if (arms.IsEmpty)
                return Fail(
                    request,
                    canary.Resolution.Outcome == EndpointOutcome.NotFound ? InferenceCode.NotFound : InferenceCode.Unavailable,
                    canary.Resolution.Detail);
            var arm = arms.Length == 1 ? 0 : Draw(canary, request);
            counter = canary.Counters[arm];
            var snapshot = table.Snapshot;
            if (snapshot.Endpoints.GetValueOrDefault(arms[arm].Key)?.Loaded is { } loaded)
            {
                if (loaded.ModelName is null)
                    return Fail(
                        request, InferenceCode.Unimplemented,
                        $"canary '{canary.Spec.Endpoint}': endpoint '{arms[arm].Key}' has no model that takes tensors; call it by POST /serve");
                if (loaded.TryAddReference())
                    return loaded;
            }

            // It has gone since; a newer snapshot knows better.
            if (!table.Snapshot.Canaries.TryGetValue(canary.Spec.Endpoint, out var newer))
                return Fail(request, InferenceCode.NotFound, $"Request for unknown model: '{canary.Spec.Endpoint}' is not found");
            canary = newer;
        }
    }

    private static int Draw(CanaryState canary, InferRequest request)
    {
        var arms = canary.Resolution.Arms;
        var stick = canary.Spec.StickyHeader is { Length: > 0 } header
            ? (request.Lifetime as ICallOrigin)?.Header(header.ToLowerInvariant())
            : null;
        if (string.IsNullOrEmpty(stick) && canary.Spec.StickyKey is { Length: > 0 } key)
            stick = ReadParameter(request, key);
        return string.IsNullOrEmpty(stick)
            ? CanaryDraw.Pick(arms, Random.Shared.NextDouble())
            : CanaryDraw.Stick(arms, canary.Spec.Endpoint, stick);
    }

    private static string? ReadParameter(InferRequest request, string key)
    {
        foreach (ref readonly var parameter in request.Parameters)
        {
            if (request.TextString(parameter.Key) != key)
                continue;
            return parameter.Kind switch
            {
                ParameterKind.String => request.TextString(parameter.Text),
                ParameterKind.Missing => null,
                _ => parameter.Bits.ToString(System.Globalization.CultureInfo.InvariantCulture),
            };
        }

        return null;
    }

    private static LoadedEndpoint? Fail(InferRequest request, InferenceCode code, string message)
    {
        request.IsRefused = true;
        request.Fail(code, message);
        return null;
    }
}
