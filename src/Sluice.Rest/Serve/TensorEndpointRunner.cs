using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using Sluice.Inference;
using Sluice.Rest.Calls;
using Sluice.Rest.Json;
using Sluice.Tensors;

namespace Sluice.Rest.Serve;

/// <summary>Runs a model of the table for callers that speak JSON.</summary>
internal sealed class TensorEndpointRunner(
    EndpointPlan plan, IModelReference model, IInferenceEngine engine, TensorBufferPool pool) : IEndpointRunner
{
    private readonly ModelSettings _settings = model.Servable.Settings;
    private readonly ConcurrentBag<InferRequest> _requests = [];
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _references = 1;

    public bool IsReady => model.Servable.IsHealthy;

    public async ValueTask<EndpointReply> RunAsync(EndpointCall call)
    {
        Interlocked.Increment(ref _references);
        if (!_requests.TryTake(out var request))
            request = new InferRequest
            {
                DecoupledRefusal = $"endpoint '{plan.Key}' runs a decoupled model: call it by gRPC streams",
                IsPart = true,
            };
        try
        {
            return await RunAsync(call, request).ConfigureAwait(false);
        }
        catch (InferenceException error)
        {
            return EndpointReply.Fail(error.Code.ToOutcome(), error.Message);
        }
        finally
        {
            request.Reset();
            _requests.Add(request);
            Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        Release();
        await _drained.Task.ConfigureAwait(false);
    }

    private void Release()
    {
        if (Interlocked.Decrement(ref _references) == 0)
            _drained.TrySetResult();
    }

    private async ValueTask<EndpointReply> RunAsync(EndpointCall call, InferRequest request)
    {
        if (call.Body == EndpointBody.Bytes)
            return EndpointReply.Fail(
                EndpointOutcome.BadRequest,
                $"endpoint '{plan.Key}' has no preprocessing code: send a JSON object that names its inputs " +
                $"({string.Join(", ", _settings.Inputs.Select(input => input.Name))})");
        request.ReceivedAt = Stopwatch.GetTimestamp();
        request.Lifetime = new EndpointLifetime(call);
        if (call.Deadline is { } deadline)
            request.DeadlineAt = request.ReceivedAt +
                (long)((deadline - DateTimeOffset.UtcNow).TotalSeconds * Stopwatch.Frequency);
        Name(request);
        ReadInputs(call.Content, request);
        await engine.InferAsync(request).ConfigureAwait(false);
        return request.IsOk
            ? EndpointReply.Json(WriteOutputs(request))
            : EndpointReply.Fail(request.Status.ToOutcome(), request.StatusMessage);
    }

    private void ReadInputs(ReadOnlyMemory<byte> json, InferRequest request)
    {
        try
        {
            TensorObjectReader.Read(json.Span, _settings, request, pool, plan.Key);
        }
        catch (JsonException)
        {
            // The front end has seen that it is JSON but for Python's bare words.
            DropInputs(request);
            var quoted = BareWords.Quote(json.Span) ?? throw InferenceException.Invalid($"endpoint '{plan.Key}': the body is no JSON");
            TensorObjectReader.Read(quoted, _settings, request, pool, plan.Key);
        }
    }

    private void DropInputs(InferRequest request)
    {
        var (received, lifetime, deadline) = (request.ReceivedAt, request.Lifetime, request.DeadlineAt);
        request.Reset();
        (request.ReceivedAt, request.Lifetime, request.DeadlineAt) = (received, lifetime, deadline);
        Name(request);
    }

    private void Name(InferRequest request)
    {
        request.ModelName = request.AddText(_settings.NameUtf8);
        request.Model = model;
    }

    private byte[] WriteOutputs(InferRequest request)
    {
        var output = new ResponseBuffer(pool);
        try
        {
            TensorObjectWriter.Write(output, request, pool);
            return output.Written.ToArray();
        }
        finally
        {
            output.Clear();
        }
    }

    /// <summary>The caller of an endpoint, as the core asks for it.</summary>
    private sealed class EndpointLifetime(EndpointCall call) : ICallLifetime, ICallOrigin
    {
        public CancellationToken CancellationToken => call.CancellationToken;

        public bool IsDeadlineExceeded => call.Deadline is { } deadline && DateTimeOffset.UtcNow >= deadline;

        // Who may call an endpoint was asked by its name; the model behind it is the endpoint's own.
        public CallerIdentity? Caller => null;

        public string FrontEnd => "HTTP";

        public long BeganAt => call.Origin?.BeganAt ?? 0;

        public string? Header(string name) => call.Origin?.Header(name);
    }
}
