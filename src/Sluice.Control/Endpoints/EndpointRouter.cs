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
/// <param name="table">What there is.</param>
/// <param name="sampler">Takes samples of calls; null = nobody does.</param>
public sealed class EndpointRouter(EndpointTable table, IEndpointSampler? sampler = null) : IEndpointCalls
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
                return Refuse(state, counter);

            // Retired since the snapshot was read: a newer one is there.
            if (loaded.TryAddReference())
                return await RunAsync(loaded, state, counter, call).ConfigureAwait(false);
        }
    }

    private async ValueTask<EndpointReply> RunAsync(
        LoadedEndpoint loaded, EndpointState state, CanaryArmCounter? counter, EndpointCall call)
    {
        var statistics = state.Statistics!;
        var plan = sampler is null ? null : statistics.Plan;
        call.WantsStatistics = plan is not null && sampler!.Draw(plan);
        var beganAt = Stopwatch.GetTimestamp();
        var outcome = EndpointOutcome.Failed;
        try
        {
            var reply = await loaded.Runner.RunAsync(call).ConfigureAwait(false);
            outcome = reply.Outcome;
            if (outcome == EndpointOutcome.Ok && call.WantsStatistics)
                sampler!.Take(plan!, Stopwatch.GetTimestamp() - beganAt, call, reply);
            return reply with { Endpoint = state.Key };
        }
        finally
        {
            loaded.Release();
            var ticks = Stopwatch.GetTimestamp() - beganAt;
            statistics.Record(outcome, ticks);
            counter?.Record(outcome == EndpointOutcome.Ok, ticks);
        }
    }

    private static EndpointState? Find(EndpointSnapshot snapshot, string key) =>
        snapshot.Endpoints.TryGetValue(key, out var state) || snapshot.Latest.TryGetValue(key, out state) ? state : null;

    /// <summary>What cannot be loaded is 422, as its configuration is wrong; what is not yet there is 503 (spec clearml §3.3).</summary>
    private static EndpointReply Refuse(EndpointState state, CanaryArmCounter? counter)
    {
        var reply = state.Phase == EndpointPhase.Failed
            ? EndpointReply.Fail(
                EndpointOutcome.BadRequest, $"Error processing request: endpoint '{state.Key}' cannot be loaded: {state.Reason}")
            : EndpointReply.Fail(
                EndpointOutcome.Unavailable,
                $"endpoint '{state.Key}' is not ready yet ({state.Phase.ToString().ToLowerInvariant()}); try again");
        state.Statistics!.Record(reply.Outcome, 0);
        counter?.Record(isOk: false, 0);
        return reply;
    }

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
