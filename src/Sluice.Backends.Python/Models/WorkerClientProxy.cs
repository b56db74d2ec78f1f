using Sluice.Backends.Python.Workers;

namespace Sluice.Backends.Python.Models;

/// <summary>Stands for the instance that a worker will belong to, while the model is loaded.</summary>
internal sealed class WorkerClientProxy(PythonRuntime runtime, string owner) : IWorkerClient
{
    private volatile IWorkerClient? _client;

    /// <summary>The instance, once there is one.</summary>
    public IWorkerClient? Client
    {
        get => _client;
        set => _client = value;
    }

    public void OnFrame(WorkerConnection worker, byte kind, ReadOnlySpan<byte> frame) => Client?.OnFrame(worker, kind, frame);

    public void OnCall(WorkerConnection worker, byte kind, ReadOnlySpan<byte> frame)
    {
        if (Client is { } client)
            client.OnCall(worker, kind, frame);
        else
            Early.OnCall(worker, kind, frame);
    }

    public void OnOutput(WorkerConnection worker, bool isError, string line) =>
        runtime.LogOutput(owner, worker.ProcessId, isError, line);

    public void OnEnded(WorkerConnection worker, string reason) => Client?.OnEnded(worker, reason);

    /// <summary>Serves calls that the code makes while it is imported.</summary>
    private Calls.ServerCalls Early { get; } = new(runtime, owner);
}
