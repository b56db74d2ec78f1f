using System.Buffers;
using System.Buffers.Binary;
using Sluice.Protocol.Wire;
using Sluice.Tensors;

namespace Sluice.Protocol.Codec;

/// <summary>Reads a <c>ModelInferResponse</c> where its bytes lie: the client's side of <see cref="InferResponseWriter"/>.</summary>
/// <remarks>
/// <para>Grammar (spec §1.2): <c>1 model_name, 2 model_version, 3 id, 4 parameters, 5 outputs, 6 raw_output_contents</c>;
/// output: <c>1 name, 2 datatype, 3 shape, 5 contents</c>; of a stream: <c>1 error_message, 2 infer_response</c>.</para>
/// <para>Raw contents belong to the output of the same index. Other servers also answer in typed contents: those are brought
/// into the raw form in memory of their own.</para>
/// </remarks>
public static class InferResponseReader
{
    /// <summary>Reads a response of <c>ModelInfer</c>.</summary>
    /// <param name="message">The whole message, without its frame, in one piece.</param>
    /// <exception cref="WireFormatException">The bytes are no such message.</exception>
    public static InferResponseMessage Read(ReadOnlyMemory<byte> message)
    {
        var response = new InferResponseMessage();
        var reader = new WireReader(new ReadOnlySequence<byte>(message));
        ReadResponse(ref reader, response);
        return response;
    }

    /// <summary>Reads a response of <c>ModelStreamInfer</c>.</summary>
    /// <param name="message">The whole message, without its frame, in one piece.</param>
    /// <exception cref="WireFormatException">The bytes are no such message.</exception>
    public static InferResponseMessage ReadOfStream(ReadOnlyMemory<byte> message)
    {
        var response = new InferResponseMessage();
        var reader = new WireReader(new ReadOnlySequence<byte>(message));
        while (reader.TryReadTag(out var field, out var type))
        {
            switch (field, type)
            {
                case (1, WireType.LengthDelimited):
                    response.ErrorUtf8 = reader.ReadBytes().First;
                    break;
                case (2, WireType.LengthDelimited):
                    var outer = reader.Enter();
                    ReadResponse(ref reader, response);
                    reader.Leave(outer);
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }

        return response;
    }

    private static void ReadResponse(ref WireReader reader, InferResponseMessage response)
    {
        var rawCount = 0;
        while (reader.TryReadTag(out var field, out var type))
        {
            switch (field, type)
            {
                case (1, WireType.LengthDelimited):
                    response.ModelNameUtf8 = reader.ReadBytes().First;
                    break;
                case (2, WireType.LengthDelimited):
                    response.ModelVersionUtf8 = reader.ReadBytes().First;
                    break;
                case (3, WireType.LengthDelimited):
                    response.IdUtf8 = reader.ReadBytes().First;
                    break;
                case (4, WireType.LengthDelimited):
                    response.ParameterEntries.Add(reader.ReadBytes().First);
                    break;
                case (5, WireType.LengthDelimited):
                    ReadOutput(ref reader, ref response.AddOutput());
                    break;
                case (6, WireType.LengthDelimited):
                    // Fields come in the order of their numbers from every known server.
                    if (rawCount == response.OutputCount)
                        throw new WireFormatException("the response has more raw contents than outputs");
                    response.OutputAt(rawCount++).Data = reader.ReadBytes().First;
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }
    }

    private static void ReadOutput(ref WireReader reader, ref InferOutput output)
    {
        Span<long> dims = stackalloc long[Shape.MaxRank];
        var rank = 0;
        var contents = default(ReadOnlySequence<byte>);
        var outer = reader.Enter();
        while (reader.TryReadTag(out var field, out var type))
        {
            switch (field, type)
            {
                case (1, WireType.LengthDelimited):
                    output.NameUtf8 = reader.ReadBytes().First;
                    break;
                case (2, WireType.LengthDelimited):
                    _ = DataTypes.TryParse(reader.ReadBytes().FirstSpan, out output.DataType);
                    break;
                case (3, WireType.Varint):
                    AddDimension(dims, ref rank, (long)reader.ReadVarint());
                    break;
                case (3, WireType.LengthDelimited):
                    var list = reader.Enter();
                    while (reader.Remaining > 0)
                        AddDimension(dims, ref rank, (long)reader.ReadVarint());
                    reader.Leave(list);
                    break;
                case (5, WireType.LengthDelimited):
                    contents = reader.ReadBytes();
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }

        reader.Leave(outer);
        output.Shape = Shape.Create(dims[..rank]);
        if (!contents.IsEmpty)
            output.Data = ReadTyped(in contents, output.DataType);
    }

    private static void AddDimension(scoped Span<long> dims, ref int rank, long dimension)
    {
        if (rank == dims.Length)
            throw new WireFormatException($"a shape has more than {dims.Length} dimensions");
        dims[rank++] = dimension;
    }

    private static ReadOnlyMemory<byte> ReadTyped(in ReadOnlySequence<byte> contents, DataType dataType)
    {
        var raw = new ArrayBufferWriter<byte>();
        var reader = new WireReader(in contents);
        while (reader.TryReadTag(out var field, out var type))
        {
            if (field != TypedContentsReader.FieldOf(dataType))
            {
                reader.Skip(type);
            }
            else if (field == 8 && type == WireType.LengthDelimited)
            {
                var text = reader.ReadBytes().FirstSpan;
                BinaryPrimitives.WriteInt32LittleEndian(raw.GetSpan(sizeof(int)), text.Length);
                raw.Advance(sizeof(int));
                raw.Write(text);
            }
            else if (type == WireType.LengthDelimited)
            {
                var outer = reader.Enter();
                while (reader.Remaining > 0)
                    ReadElement(ref reader, dataType, raw);
                reader.Leave(outer);
            }
            else
            {
                ReadElement(ref reader, dataType, raw);
            }
        }

        return raw.WrittenMemory;
    }

    private static void ReadElement(ref WireReader reader, DataType dataType, ArrayBufferWriter<byte> raw)
    {
        var bits = dataType switch
        {
            DataType.Fp32 => reader.ReadFixed32(),
            DataType.Fp64 => reader.ReadFixed64(),
            _ => reader.ReadVarint(),
        };
        BinaryPrimitives.WriteUInt64LittleEndian(raw.GetSpan(sizeof(ulong)), bits);
        raw.Advance(dataType.ElementSize());
    }
}
