using Sluice.Client;
using Sluice.Inference;
using Sluice.Protocol.Codec;
using Sluice.Tensors;

namespace Sluice.Backends.Remote;

/// <summary>Sends batches to another server, one at a time; the calling thread is free meanwhile.</summary>
internal sealed class RemoteModelInstance(SluiceClient client, Uri address, string name, string version, ModelSettings settings)
    : IModelInstance
{
    private volatile CancellationTokenSource? _running;

    /// <inheritdoc/>
    /// <remarks>The other server may run anything, and counts it.</remarks>
    public bool MayRehearse => false;

    public async ValueTask ExecuteAsync(ExecutionBatch batch)
    {
        using var cancellation = new CancellationTokenSource();
        _running = cancellation;
        try
        {
            var request = new InferRequestMessage
            {
                ModelName = name,
                ModelVersion = version,
                Inputs = Inputs(batch),
                Outputs = [.. settings.Outputs.Where((_, i) => batch.IsRequested(i)).Select(output => output.Name)],
            };
            using var result = await client.InferAsync(request, null, cancellation.Token).ConfigureAwait(false);
            Store(result, batch);
        }
        catch (SluiceException error)
        {
            throw new InferenceException(error.Code, $"server {address.Authority}, {error.Code.ToName()}: {error.Message}", error);
        }
        catch (OperationCanceledException error)
        {
            throw new InferenceException(InferenceCode.Cancelled, $"the call to server {address.Authority} was broken off", error);
        }
        finally
        {
            _running = null;
        }
    }

    public void Terminate()
    {
        try
        {
            _running?.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It has just ended.
        }
    }

    public void Dispose()
    {
    }

    private unsafe List<InferInput> Inputs(ExecutionBatch batch)
    {
        var inputs = new List<InferInput>();
        for (var i = 0; i < settings.Inputs.Length; i++)
        {
            ref var input = ref batch.Inputs[i];
            if (input.IsPresent)
                inputs.Add(InferInput.WrapRaw(
                    settings.Inputs[i].Name, input.DataType, new LentMemory(input.Data, input.ByteLength).Memory, input.Shape.Dimensions));
        }

        return inputs;
    }

    private void Store(InferResult result, ExecutionBatch batch)
    {
        for (var i = 0; i < settings.Outputs.Length; i++)
        {
            if (!batch.IsRequested(i))
                continue;
            var output = settings.Outputs[i];
            if (!result.Contains(output.Name))
            {
                batch.Withdraw(i);
                continue;
            }

            if (result.GetDataType(output.Name) != output.DataType)
                throw new InferenceException(
                    InferenceCode.Internal,
                    $"server {address.Authority}: output '{output.Name}' of model '{name}' is {result.GetDataType(output.Name).WireName()}, " +
                    $"its metadata said {output.DataType.WireName()}");
            var bytes = result.GetBytes(output.Name);
            var buffer = batch.RentOutput(i, bytes.Length);
            bytes.CopyTo(buffer.GetSpan());
            batch.SetOutput(i, result.GetShape(output.Name), buffer);
        }
    }
}
