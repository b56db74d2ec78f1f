namespace Sluice.Inference;

/// <summary>An engine that runs models of one kind of file.</summary>
/// <remarks><b>Threads.</b> Any number of callers; loads run in parallel.</remarks>
public interface IBackend : IDisposable
{
    /// <summary>The engine's name in configurations, such as <c>onnxruntime</c>.</summary>
    string Name { get; }

    /// <summary>Reads a model file. Blocks for as long as the engine needs; never called on a request's thread.</summary>
    /// <param name="settings">What is known before the file is read: folders, file name, parameters, accelerators. Inputs,
    /// outputs and the batch size may still be empty.</param>
    /// <returns>The opened model; the caller disposes it after all of its instances.</returns>
    /// <exception cref="InferenceException">The file cannot be served; the message says why.</exception>
    IBackendModel Load(ModelSettings settings);
}

/// <summary>An opened model file, shared by its instances.</summary>
public interface IBackendModel : IDisposable
{
    /// <summary>What the file says of itself.</summary>
    ModelDescription Description { get; }

    /// <summary>Creates something that can run one batch at a time.</summary>
    /// <param name="settings">The completed settings; tensor indexes in batches refer to them.</param>
    /// <param name="placement">Where it runs.</param>
    /// <exception cref="InferenceException">The instance cannot be made there.</exception>
    IModelInstance CreateInstance(ModelSettings settings, InstancePlacement placement);
}

/// <summary>Where one instance runs.</summary>
/// <param name="Name">Unique within the model, for logs: <c>group_0</c>.</param>
/// <param name="Kind">Kind of device.</param>
/// <param name="DeviceId">GPU number; 0 for others.</param>
public readonly record struct InstancePlacement(string Name, InstanceKind Kind, int DeviceId);

/// <summary>Runs batches of one model, one at a time.</summary>
/// <remarks><b>Threads.</b> <see cref="ExecuteAsync"/> is never called while an earlier call is unfinished;
/// <see cref="Terminate"/> may come from any thread at any time.</remarks>
public interface IModelInstance : IDisposable
{
    /// <summary>Runs a batch and stores its outputs in it.</summary>
    /// <remarks>
    /// <para>An engine that works on the calling thread returns a completed task. An engine that works elsewhere completes it
    /// later; the batch stays valid until then.</para>
    /// <para><b>Ownership.</b> Input memory is lent until the task ends. Buffers given to
    /// <see cref="ExecutionBatch.SetOutput"/> belong to the batch from then on.</para>
    /// </remarks>
    /// <exception cref="InferenceException">The execution failed; the status goes to every request of the batch.</exception>
    ValueTask ExecuteAsync(ExecutionBatch batch);

    /// <summary>Asks the running execution, if any, to stop; it then fails with <see cref="InferenceCode.Cancelled"/>.</summary>
    void Terminate();

    /// <summary>Executions have no effect but their outputs, so that the server may run some of its own to warm the model.</summary>
    bool MayRehearse => true;

    /// <summary>False while executions would fail, as when a process of the engine is being started again.</summary>
    bool IsHealthy => true;
}
