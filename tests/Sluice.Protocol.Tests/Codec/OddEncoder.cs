using Google.Protobuf;
using Google.Protobuf.Collections;
using Sluice.Protocol.Inference;
using InputMessage = Sluice.Protocol.Inference.ModelInferRequest.Types.InferInputTensor;

namespace Sluice.Protocol.Tests;

/// <summary>Encodes requests in ways that no library chooses but the wire format allows: fields in any order, packed or not,
/// map entries backwards, unknown fields everywhere.</summary>
internal sealed class OddEncoder(Random random)
{
    public byte[] Encode(ModelInferRequest message)
    {
        var pieces = new List<byte[]>
        {
            Text(1, message.ModelName),
            Text(2, message.ModelVersion),
            Text(3, message.Id),
        };

        // Repeated fields keep their own order; everything else may move.
        pieces.Add([.. message.Inputs.SelectMany(input => Field(5, Encode(input)))]);
        pieces.Add([.. message.RawInputContents.SelectMany(raw => Field(7, raw.ToByteArray()))]);
        pieces.Add([.. message.Outputs.SelectMany(output => Field(6, Shuffle([Text(1, output.Name)])))]);
        pieces.Add(Entries(4, message.Parameters));
        return Shuffle(pieces);
    }

    private byte[] Encode(InputMessage input)
    {
        var pieces = new List<byte[]> { Text(1, input.Name), Text(2, input.Datatype), Entries(4, input.Parameters) };
        pieces.Add(Numbers(3, input.Shape, (output, value) => output.WriteInt64(value), WireFormat.WireType.Varint));
        if (input.Contents is not null)
            pieces.Add(Field(5, Encode(input.Contents)));
        return Shuffle(pieces);
    }

    private byte[] Encode(InferTensorContents contents) => Shuffle(
    [
        Numbers(1, contents.BoolContents, (output, value) => output.WriteBool(value), WireFormat.WireType.Varint),
        Numbers(2, contents.IntContents, (output, value) => output.WriteInt32(value), WireFormat.WireType.Varint),
        Numbers(3, contents.Int64Contents, (output, value) => output.WriteInt64(value), WireFormat.WireType.Varint),
        Numbers(4, contents.UintContents, (output, value) => output.WriteUInt32(value), WireFormat.WireType.Varint),
        Numbers(5, contents.Uint64Contents, (output, value) => output.WriteUInt64(value), WireFormat.WireType.Varint),
        Numbers(6, contents.Fp32Contents, (output, value) => output.WriteFloat(value), WireFormat.WireType.Fixed32),
        Numbers(7, contents.Fp64Contents, (output, value) => output.WriteDouble(value), WireFormat.WireType.Fixed64),
        [.. contents.BytesContents.SelectMany(value => Field(8, value.ToByteArray()))],
    ]);

    private byte[] Entries(int field, MapField<string, InferParameter> map) => [.. map.SelectMany(entry => Field(
        field, Shuffle([Text(1, entry.Key, always: true), Field(2, Shuffle([entry.Value.ToByteArray()]))])))];

    /// <summary>One packed list, several, or each element with its own tag.</summary>
    private byte[] Numbers<T>(
        int field, RepeatedField<T> values, Action<CodedOutputStream, T> write, WireFormat.WireType type)
    {
        var all = new List<byte>();
        for (var i = 0; i < values.Count;)
        {
            var count = random.Next(3) switch { 0 => 1, 1 => values.Count - i, _ => random.Next(1, values.Count - i + 1) };
            var elements = Bytes(output =>
            {
                for (var j = 0; j < count; j++)
                    write(output, values[i + j]);
            });
            all.AddRange(count == 1 && random.Next(2) == 0
                ? Bytes(output => output.WriteTag(field, type)).Concat(elements)
                : Field(field, elements));
            i += count;
        }

        return [.. all];
    }

    private byte[] Text(int field, string value, bool always = false) =>
        value.Length == 0 && !always && random.Next(2) == 0 ? [] : Field(field, System.Text.Encoding.UTF8.GetBytes(value));

    private static byte[] Field(int field, byte[] value) => Bytes(output =>
    {
        output.WriteTag(field, WireFormat.WireType.LengthDelimited);
        output.WriteBytes(ByteString.CopyFrom(value));
    });

    private byte[] Shuffle(List<byte[]> pieces)
    {
        for (var count = random.Next(3); count > 0; count--)
            pieces.Add(Unknown());
        return [.. pieces.OrderBy(_ => random.Next()).SelectMany(piece => piece)];
    }

    private byte[] Unknown() => Bytes(output =>
    {
        var field = random.Next(2) == 0 ? 15 : 1 << 20;
        switch (random.Next(5))
        {
            case 0:
                output.WriteTag(field, WireFormat.WireType.Varint);
                output.WriteUInt64(ulong.MaxValue);
                break;
            case 1:
                output.WriteTag(field, WireFormat.WireType.Fixed32);
                output.WriteFixed32(7);
                break;
            case 2:
                output.WriteTag(field, WireFormat.WireType.Fixed64);
                output.WriteFixed64(7);
                break;
            case 3:
                output.WriteTag(field, WireFormat.WireType.LengthDelimited);
                output.WriteBytes(ByteString.CopyFrom(new byte[random.Next(200)]));
                break;
            default:
                output.WriteTag(field, WireFormat.WireType.StartGroup);
                output.WriteTag(1, WireFormat.WireType.LengthDelimited);
                output.WriteString("within");
                output.WriteTag(2, WireFormat.WireType.StartGroup);
                output.WriteTag(2, WireFormat.WireType.EndGroup);
                output.WriteTag(field, WireFormat.WireType.EndGroup);
                break;
        }
    });

    private static byte[] Bytes(Action<CodedOutputStream> write)
    {
        using var stream = new MemoryStream();
        using (var output = new CodedOutputStream(stream, leaveOpen: true))
            write(output);
        return stream.ToArray();
    }
}
