using System.Diagnostics;
using System.Text.Json;
using Sluice.Control.Canaries;
using Sluice.Control.Records;
using Sluice.Inference;

namespace Sluice.Control.Endpoints;

/// <summary>Brings a call to its endpoint: canaries first, then the key itself, then the newest version where that is wanted.</summary>
/// <remarks>
/// <para>No version is never taken to mean the newest unless the endpoint asked for it (spec clearml §2.4).</para>
/// <para><b>Threads.</b> Any number of callers.</para>
/// </remarks>
public sealed class EndpointRouter(EndpointTable table) : IEndpointCalls
{
    /// <summary>Longest chain of endpoints that call endpoints.</summary>
    public const int MaxDepth = 16;

    /// <inheritdoc/>
    public async ValueTask<EndpointReply> CallAsync(string name, string? version, EndpointCall call)
    {
        if (call.Depth > MaxDepth)
            return EndpointReply.Fail(
                EndpointOutcome.Failed, $"endpoint '{name}': more than {MaxDepth} endpoints have called each other; is there a ring?");
        var key = EndpointKeys.Join(name, version);
        while (true)
        {
            var snapshot = table.Snapshot;
            CanaryArmCounter? counter = null;
            var target = key;
            if (snapshot.Canaries.TryGetValue(key, out var canary))
            {
                var resolution = canary.Resolution;
                if (resolution.Arms.IsEmpty)
                    return EndpointReply.Fail(resolution.Outcome, resolution.Detail);
                var arm = Choose(canary, call);
                (target, counter) = (resolution.Arms[arm].Key, canary.Counters[arm]);
            }

            if (Find(snapshot, target) is not { } state)
                return EndpointReply.Fail(EndpointOutcome.NotFound, $"Error processing request: endpoint '{key}' not found");
            if (state.Loaded is not { } loaded)
                return Refuse(state);

            // Retired since the snapshot was read: a newer one is there.
            if (loaded.TryAddReference())
                return await RunAsync(loaded, state.Key, counter, call).ConfigureAwait(false);
        }
    }

    private static async ValueTask<EndpointReply> RunAsync(
        LoadedEndpoint loaded, string key, CanaryArmCounter? counter, EndpointCall call)
    {
        var beganAt = counter is null ? 0 : Stopwatch.GetTimestamp();
        var isOk = false;
        try
        {
            var reply = await loaded.Runner.RunAsync(call).ConfigureAwait(false);
            isOk = reply.Outcome == EndpointOutcome.Ok;
            return reply with { Endpoint = key };
        }
        finally
        {
            loaded.Release();
            counter?.Record(isOk, beganAt);
        }
    }

    private static EndpointState? Find(EndpointSnapshot snapshot, string key) =>
        snapshot.Endpoints.TryGetValue(key, out var state) || snapshot.Latest.TryGetValue(key, out state) ? state : null;

    /// <summary>What cannot be loaded is 422, as its configuration is wrong; what is not yet there is 503 (spec clearml §3.3).</summary>
    private static EndpointReply Refuse(EndpointState state) => state.Phase == EndpointPhase.Failed
        ? EndpointReply.Fail(EndpointOutcome.BadRequest, $"Error processing request: endpoint '{state.Key}' cannot be loaded: {state.Reason}")
        : EndpointReply.Fail(
            EndpointOutcome.Unavailable,
            $"endpoint '{state.Key}' is not ready yet ({state.Phase.ToString().ToLowerInvariant()}); try again");

    private static int Choose(CanaryState canary, EndpointCall call)
    {
        var arms = canary.Resolution.Arms;
        if (arms.Length == 1)
            return 0;
        var stick = canary.Spec.StickyHeader is { Length: > 0 } header ? call.Origin?.Header(header.ToLowerInvariant()) : null;
        if (string.IsNullOrEmpty(stick) && canary.Spec.StickyKey is { Length: > 0 } member && call.Body == EndpointBody.JsonObject)
            stick = ReadMember(call.Content.Span, member);
        return string.IsNullOrEmpty(stick)
            ? CanaryDraw.Pick(arms, Random.Shared.NextDouble())
            : CanaryDraw.Stick(arms, canary.Spec.Endpoint, stick);
    }

    /// <summary>Reads one member of a JSON object as text; null when it is not there or no plain value.</summary>
    private static string? ReadMember(ReadOnlySpan<byte> json, string name)
    {
        try
        {
            var reader = new Utf8JsonReader(json);
            reader.Read();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var isWanted = reader.ValueTextEquals(name);
                reader.Read();
                if (isWanted)
                    return reader.TokenType switch
                    {
                        JsonTokenType.String => reader.GetString(),
                        JsonTokenType.Number => System.Text.Encoding.UTF8.GetString(reader.ValueSpan),
                        _ => null,
                    };
                reader.Skip();
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // What only Python takes for JSON is drawn.
        }

        return null;
    }
}
