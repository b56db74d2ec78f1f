using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Sluice.Backends.Python.Wire;
using Sluice.Backends.Python.Workers;
using Sluice.Inference;

namespace Sluice.Backends.Python.Calls;

/// <summary>Answers what users' code asks of the server: other models, endpoints, metrics, loading, log lines.</summary>
/// <remarks><b>Threads.</b> Calls come from the worker's thread and never block it; answers are sent from any.</remarks>
internal sealed class ServerCalls(PythonRuntime runtime, string owner) : IDisposable
{
    private readonly ConcurrentDictionary<(WorkerConnection, uint), ModelCall> _running = new();
    private readonly CancellationTokenSource _ending = new();

    /// <summary>Where calls of endpoints go; null = nowhere.</summary>
    public IEndpointCalls? Endpoints { get; init; }

    /// <summary>The model around which the code is; calls by its name reach it also while a successor takes that name. Null = none.</summary>
    public IModelReference? Model { get; init; }

    /// <summary>Takes one call.</summary>
    /// <exception cref="WireException">It makes no sense.</exception>
    public void OnCall(WorkerConnection worker, byte kind, ReadOnlySpan<byte> frame)
    {
        var reader = new FrameReader(frame);
        var number = reader.U32();
        switch (kind)
        {
            case Frames.InferCall:
                BeginInfer(worker, number, ref reader);
                break;
            case Frames.CancelCall:
                if (_running.TryGetValue((worker, number), out var running))
                    running.Cancel();
                break;
            case Frames.MetricCall:
                Reply(worker, kind, number, runtime.Metrics.Apply(owner, ReadJson(ref reader)));
                break;
            case Frames.ModelCall:
                _ = ControlAsync(worker, number, ReadJson(ref reader));
                break;
            case Frames.SendCall:
                _ = SendAsync(worker, number, EndpointRequest.Read(ref reader));
                break;
            case Frames.LogCall:
                Log((int)reader.U32(), Encoding.UTF8.GetString(reader.Rest()));
                break;
            default:
                throw new WireException($"a call of kind {kind}");
        }
    }

    /// <summary>Says that everything before a call has been done.</summary>
    public static void Confirm(WorkerConnection worker, uint number) => Reply(worker, Frames.FlushCall, number, []);

    /// <summary>Cancels what a worker that has gone was waiting for.</summary>
    public void Abandon(WorkerConnection worker)
    {
        foreach (var ((caller, _), call) in _running)
        {
            if (ReferenceEquals(caller, worker))
                call.Cancel();
        }
    }

    public void Dispose() => _ending.Cancel();

    private void BeginInfer(WorkerConnection worker, uint number, ref FrameReader reader)
    {
        var call = new ModelCall(worker, number);
        call.Read(ref reader, runtime.Pool, Model);
        _running[(worker, number)] = call;
        _ = RunAsync(call);
    }

    private async Task RunAsync(ModelCall call)
    {
        try
        {
            await call.RunAsync(runtime.Server!.Engine).ConfigureAwait(false);
        }
        finally
        {
            _running.TryRemove((call.Worker, call.Number), out _);
        }
    }

    private async Task ControlAsync(WorkerConnection worker, uint number, JsonElement request)
    {
        var answer = new JsonObject();
        try
        {
            var name = request.GetProperty("name").GetString() ?? "";
            switch (request.GetProperty("op").GetString())
            {
                case "load":
                    var files = request.GetProperty("files").EnumerateObject().ToDictionary(
                        file => file.Name.StartsWith("file:", StringComparison.Ordinal) ? file.Name[5..] : file.Name,
                        file => (ReadOnlyMemory<byte>)file.Value.GetBytesFromBase64(), StringComparer.Ordinal);
                    var config = request.GetProperty("config");
                    await runtime.Server!.LoadModelAsync(
                        name, config.ValueKind == JsonValueKind.String ? config.GetString() : null, files, _ending.Token)
                        .ConfigureAwait(false);
                    break;
                case "unload":
                    var withDependents = request.TryGetProperty("unload_dependents", out var flag) && flag.ValueKind == JsonValueKind.True;
                    await runtime.Server!.UnloadModelAsync(name, withDependents, _ending.Token).ConfigureAwait(false);
                    break;
                default:
                    answer["ready"] = runtime.Server!.IsModelReady(name, request.GetProperty("version").GetString() ?? "");
                    break;
            }
        }
        catch (Exception error) when (error is InferenceException or OperationCanceledException or KeyNotFoundException)
        {
            answer["error"] = error.Message;
        }

        Reply(worker, Frames.ModelCall, number, Encoding.UTF8.GetBytes(answer.ToJsonString()));
    }

    private async Task SendAsync(WorkerConnection worker, uint number, EndpointRequest request)
    {
        EndpointReply reply;
        try
        {
            reply = Endpoints is null
                ? EndpointReply.Fail(EndpointOutcome.NotFound, "models cannot call endpoints")
                : await request.RunAsync(Endpoints, _ending.Token).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            PythonLog.CallFailed(runtime.Logger, owner, error.Message);
            reply = EndpointReply.Fail(EndpointOutcome.Failed, error.Message);
        }

        var outcome = reply.Status < 300 ? reply.Outcome : EndpointOutcome.Failed;
        byte[] body = [(byte)outcome, .. reply.Content.Span];
        Reply(worker, Frames.SendCall, number, body);
    }

    private void Log(int level, string text) => PythonLog.ModelLog(
        runtime.Logger,
        level switch
        {
            1 => LogLevel.Warning,
            2 => LogLevel.Error,
            3 => LogLevel.Debug,
            _ => LogLevel.Information,
        },
        owner, text);

    private static JsonElement ReadJson(ref FrameReader reader)
    {
        try
        {
            return JsonElement.Parse(reader.Rest());
        }
        catch (JsonException error)
        {
            throw new WireException(error.Message);
        }
    }

    private static void Reply(WorkerConnection worker, byte kind, uint number, ReadOnlySpan<byte> body)
    {
        var writer = new FrameWriter();
        writer.Begin(kind);
        writer.U32(number);
        writer.Bytes(body);
        worker.Calls.Send(writer.End());
    }
}
