namespace Sluice.Backends.Python.Workers;

/// <summary>Takes what a worker sends. All calls come from the connection's thread, one at a time.</summary>
internal interface IWorkerClient
{
    /// <summary>A frame of the main socket that is no part of the start and stop.</summary>
    /// <exception cref="Wire.WireException">It makes no sense; the worker is ended.</exception>
    void OnFrame(WorkerConnection worker, byte kind, ReadOnlySpan<byte> frame);

    /// <summary>A call into the server.</summary>
    /// <exception cref="Wire.WireException">It makes no sense; the worker is ended.</exception>
    void OnCall(WorkerConnection worker, byte kind, ReadOnlySpan<byte> frame);

    /// <summary>A line that the worker printed.</summary>
    void OnOutput(WorkerConnection worker, bool isError, string line);

    /// <summary>The worker has ended; nothing more comes from it.</summary>
    void OnEnded(WorkerConnection worker, string reason);
}
