using System.Buffers;
using System.Buffers.Binary;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Tensors;

namespace Sluice.Rest.Infer;

/// <summary>Makes the only input of a model from a whole body (spec §2.3, header value 0).</summary>
internal static class RawInput
{
    private const int LengthPrefix = 4;

    /// <summary>Fills the request; all outputs are wanted, in binary.</summary>
    /// <param name="body">Lent until the request has ended.</param>
    /// <param name="config">The model's completed configuration, from which type and shape are deduced.</param>
    /// <param name="request">An empty request whose model is named.</param>
    /// <param name="pool">Where a string gets its length prefix.</param>
    /// <exception cref="InferenceException">The input cannot be deduced.</exception>
    public static void Apply(in ReadOnlySequence<byte> body, ModelConfig config, InferRequest request, TensorBufferPool pool)
    {
        if (config.Input.Count != 1)
            throw InferenceException.Invalid(
                $"Raw request must only have 1 input (found 1) to be deduced but got {config.Input.Count} inputs in " +
                $"'{config.Name}' model configuration");
        request.PrefersBinaryOutput = true;
        ref var input = ref request.AddInput();
        input.Name = request.AddText(System.Text.Encoding.UTF8.GetBytes(config.Input[0].Name));
        input.DataType = (Tensors.DataType)config.Input[0].DataType;
        input.HasData = true;
        input.Shape = Deduce(body.Length, config, input.DataType);
        input.Data = body;
        if (input.DataType != Tensors.DataType.Bytes)
            return;
        input.Owned = pool.Rent(LengthPrefix + (int)body.Length);
        BinaryPrimitives.WriteInt32LittleEndian(input.Owned.GetSpan(), (int)body.Length);
        body.CopyTo(input.Owned.GetSpan()[LengthPrefix..]);
        input.Data = new ReadOnlySequence<byte>(input.Owned.Memory);
    }

    private static Shape Deduce(long byteLength, ModelConfig config, Tensors.DataType type)
    {
        Span<long> dims = stackalloc long[Shape.MaxRank];
        var rank = 0;
        if (config.MaxBatchSize > 0)
            dims[rank++] = 1;
        var wildcard = -1;
        long known = 1;
        foreach (var dim in config.Input[0].Dims)
        {
            if (dim < 0 && wildcard >= 0)
                throw InferenceException.Invalid(
                    $"Shape of input '{config.Input[0].Name}' of model '{config.Name}' cannot be deduced for a raw request: it " +
                    "has more than one wildcard dimension");
            if (dim < 0)
                wildcard = rank;
            else
                known *= dim;
            dims[rank++] = dim;
        }

        if (type == Tensors.DataType.Bytes && (wildcard >= 0 ? known : known - 1) is not (0 or 1))
            throw InferenceException.Invalid(
                $"For BYTES datatype raw input '{config.Input[0].Name}', the model must have input shape [1]");
        var size = type.ElementSize() * known;
        if (wildcard >= 0)
            dims[wildcard] = size == 0 ? 1 : byteLength / size;
        return Shape.Create(dims[..rank]);
    }
}
