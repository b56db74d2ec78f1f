using System.Buffers;
using Sluice.Inference;
using Sluice.Protocol.Wire;
using Sluice.Tensors;

namespace Sluice.Protocol.Codec;

/// <summary>Reads a <c>ModelInferRequest</c> where its bytes lie, into a pooled request.</summary>
/// <remarks>
/// <para>Grammar (spec §1.2): <c>1 model_name, 2 model_version, 3 id, 4 parameters, 5 inputs, 6 outputs,
/// 7 raw_input_contents</c>; input: <c>1 name, 2 datatype, 3 shape, 4 parameters, 5 contents</c>; output: <c>1 name,
/// 2 parameters</c>.</para>
/// <para><b>Ownership.</b> Tensor data stays in the message, which must live until the request has ended. Names are copied
/// into the request's text store; typed contents that differ from raw bytes are decoded into a pooled buffer.</para>
/// <para><b>Threads.</b> Pure over its arguments; allocates nothing in steady state.</para>
/// </remarks>
public static class InferRequestReader
{
    private const int SmallestBulk = 4096;

    /// <summary>Reads one message.</summary>
    /// <param name="message">The whole message, without its frame.</param>
    /// <param name="request">An empty request.</param>
    /// <param name="pool">Where decoded typed contents go.</param>
    /// <exception cref="InferenceException">The message says what the protocol forbids.</exception>
    /// <exception cref="WireFormatException">The bytes are no protobuf message.</exception>
    public static void Read(in ReadOnlySequence<byte> message, InferRequest request, TensorBufferPool pool)
    {
        var reader = new WireReader(in message);
        while (reader.TryReadTag(out var field, out var type))
        {
            switch (field, type)
            {
                case (1, WireType.LengthDelimited):
                    request.ModelName = ReadText(ref reader, request);
                    break;
                case (2, WireType.LengthDelimited):
                    request.ModelVersion = ReadText(ref reader, request);
                    break;
                case (3, WireType.LengthDelimited):
                    request.Id = ReadText(ref reader, request);
                    break;
                case (4, WireType.LengthDelimited):
                    InferParameterReader.ReadOfRequest(ref reader, request);
                    break;
                case (5, WireType.LengthDelimited):
                    ReadInput(ref reader, request, pool);
                    break;
                case (6, WireType.LengthDelimited):
                    ReadRequestedOutput(ref reader, request);
                    break;
                case (7, WireType.LengthDelimited):
                    request.AddBlob(reader.ReadBytes());
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }

        CheckDuplicateOutputs(request);
        AssignData(request);
    }

    /// <summary>Finds where the first tensor's raw bytes begin in a message of which only the head is known.</summary>
    /// <param name="head">The message's first bytes; fields that end within it are passed over.</param>
    /// <returns>The offset of raw contents that go on past the head; 0 when the head does not tell.</returns>
    public static int FindBulkOffset(in ReadOnlySequence<byte> head)
    {
        var reader = new WireReader(in head);
        try
        {
            while (reader.TryReadTag(out var field, out var type))
            {
                if (type != WireType.LengthDelimited)
                {
                    reader.Skip(type);
                    continue;
                }

                var length = reader.ReadVarint();
                if (field == 7 && length >= SmallestBulk)
                    return (int)reader.Position;
                if (length > (ulong)reader.Remaining)
                    return 0;
                reader.Advance((long)length);
            }
        }
        catch (WireFormatException)
        {
            // The reader of the whole message reports it.
        }

        return 0;
    }

    private static Utf8Slice ReadText(ref WireReader reader, InferRequest request)
    {
        reader.ReadExactly(request.AddText(reader.ReadLength(), out var slice));
        return slice;
    }

    private static void ReadInput(ref WireReader reader, InferRequest request, TensorBufferPool pool)
    {
        ref var input = ref request.AddInput();
        Span<long> dims = stackalloc long[Shape.MaxRank];
        var rank = 0;
        var contents = default(ReadOnlySequence<byte>);
        var hasContents = false;
        var outer = reader.Enter();
        while (reader.TryReadTag(out var field, out var type))
        {
            switch (field, type)
            {
                case (1, WireType.LengthDelimited):
                    input.Name = ReadText(ref reader, request);
                    break;
                case (2, WireType.LengthDelimited):
                    input.DataType = ReadDataType(ref reader);
                    break;
                case (3, WireType.Varint or WireType.LengthDelimited):
                    ReadDims(ref reader, type, dims, ref rank);
                    break;
                case (4, WireType.LengthDelimited):
                    InferParameterReader.ReadOfInput(ref reader, request, ref input);
                    break;
                case (5, WireType.LengthDelimited) when contents.IsEmpty:
                    contents = reader.ReadBytes();
                    hasContents = true;
                    break;
                case (5, WireType.LengthDelimited):
                    throw InferenceException.Invalid("an input has more than one 'contents' field");
                default:
                    reader.Skip(type);
                    break;
            }
        }

        reader.Leave(outer);
        input.Shape = Shape.Create(dims[..rank]);
        PlacementParameters.CheckComplete(request, input.Shared, input.Name);
        if (hasContents && input.Shared != 0)
            throw InferenceException.Invalid(
                $"unexpected 'content' provided when using shared memory for input tensor '{request.TextString(input.Name)}' for " +
                $"model '{request.TextString(request.ModelName)}'");
        if (!contents.IsEmpty)
            TypedContentsReader.Read(in contents, request, ref input, pool);
    }

    private static void ReadRequestedOutput(ref WireReader reader, InferRequest request)
    {
        ref var output = ref request.AddRequestedOutput();
        var outer = reader.Enter();
        while (reader.TryReadTag(out var field, out var type))
        {
            switch (field, type)
            {
                case (1, WireType.LengthDelimited):
                    output.Name = ReadText(ref reader, request);
                    break;
                case (2, WireType.LengthDelimited):
                    InferParameterReader.ReadOfOutput(ref reader, request, ref output);
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }

        reader.Leave(outer);
        PlacementParameters.CheckComplete(request, output.Shared, output.Name);
    }

    private static DataType ReadDataType(ref WireReader reader)
    {
        Span<byte> text = stackalloc byte[16];
        var length = reader.ReadLength();
        if (length > text.Length)
            throw InferenceException.Invalid($"a datatype of {length} bytes is not a datatype");
        reader.ReadExactly(text[..length]);
        return DataTypes.TryParse(text[..length], out var dataType) ? dataType : DataType.Invalid;
    }

    private static void ReadDims(ref WireReader reader, WireType type, scoped Span<long> dims, ref int rank)
    {
        var outer = type == WireType.LengthDelimited ? reader.Enter() : 0;
        do
        {
            if (type == WireType.LengthDelimited && reader.Remaining == 0)
                break;
            if (rank == dims.Length)
                throw InferenceException.Invalid($"a shape has more than {dims.Length} dimensions");
            dims[rank++] = (long)reader.ReadVarint();
        }
        while (type == WireType.LengthDelimited);

        if (type == WireType.LengthDelimited)
            reader.Leave(outer);
    }

    private static void CheckDuplicateOutputs(InferRequest request)
    {
        var outputs = request.RequestedOutputs;
        for (var i = 1; i < outputs.Length; i++)
        {
            for (var j = 0; j < i; j++)
            {
                if (request.Text(outputs[i].Name).SequenceEqual(request.Text(outputs[j].Name)))
                    throw InferenceException.Invalid(
                        $"output '{request.TextString(outputs[i].Name)}' already exists in request");
            }
        }
    }

    /// <summary>Gives raw contents to the inputs in order (spec §0, rules 2 and 3).</summary>
    private static void AssignData(InferRequest request)
    {
        var next = 0;
        foreach (ref var input in request.Inputs)
        {
            if (input.Shared != 0)
                continue;
            if (request.BlobCount > 0 && input.HasData)
                throw InferenceException.Invalid(
                    "contents field must not be specified when using raw_input_contents for " +
                    $"'{request.TextString(input.Name)}' for model '{request.TextString(request.ModelName)}'");
            if (input.HasData)
                continue;
            if (next < request.BlobCount)
                input.Data = request.Blobs[next++];
            else if (request.BlobCount > 0 || !input.Shape.TryGetElementCount(out var count) || count != 0)
                throw InferenceException.Invalid(
                    $"unable to find data for input tensor '{request.TextString(input.Name)}' for model " +
                    $"'{request.TextString(request.ModelName)}' in request.");
            input.HasData = true;
        }

        if (next < request.BlobCount)
            throw InferenceException.Invalid(
                $"unexpected additional input data for model '{request.TextString(request.ModelName)}'");
    }
}
