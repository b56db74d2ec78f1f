namespace Sluice.Inference;

/// <content>The response that stands in the request.</content>
public sealed partial class InferRequest
{
    /// <summary>What the core puts before a message about this request (spec §1.3).</summary>
    public string IdPrefix => $"[request id: {(Id.IsEmpty ? "<id_unknown>" : TextString(Id))}] ";

    /// <summary>Adds an output of the response for the caller to fill in.</summary>
    public ref OutputTensor AddOutput()
    {
        if (OutputCount == _outputs.Length)
            Array.Resize(ref _outputs, _outputs.Length * 2);
        ref var output = ref _outputs[OutputCount++];
        output = default;
        return ref output;
    }

    /// <summary>Changes an output of the response.</summary>
    public ref OutputTensor OutputAt(int position) => ref _outputs.AsSpan(0, OutputCount)[position];

    /// <summary>Drops outputs stored so far, before an execution is tried again.</summary>
    public void ClearOutputs()
    {
        _outputs.AsSpan(0, OutputCount).Clear();
        OutputCount = 0;
        if (NeedsPlacement)
            Placement.ClearOutputs();
        Interlocked.Exchange(ref _batch, null)?.Release();
    }

    /// <summary>Takes a counted reference to the batch whose buffers hold the outputs.</summary>
    public void HoldBatch(ExecutionBatch batch)
    {
        batch.AddReference();
        _batch = batch;
    }

    /// <summary>Gives another request the outputs that stand here, in the same memory.</summary>
    /// <param name="other">Has no outputs; holds the memory until its own outputs are cleared.</param>
    public void ShareOutputs(InferRequest other)
    {
        foreach (ref readonly var output in Outputs)
            other.AddOutput() = output;
        if (_batch is not null)
            other.HoldBatch(_batch);
    }
}
