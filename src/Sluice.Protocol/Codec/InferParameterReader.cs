using Sluice.Inference;
using Sluice.Protocol.Wire;

namespace Sluice.Protocol.Codec;

/// <summary>Reads entries of <c>map&lt;string, InferParameter&gt;</c>; keys and texts go to the request's text store.</summary>
/// <remarks>Grammar: entry <c>1 key, 2 value</c>; value one of <c>1 bool, 2 int64, 3 string, 4 double, 5 uint64</c>.</remarks>
internal static class InferParameterReader
{
    public static void ReadOfRequest(ref WireReader reader, InferRequest request) =>
        ReservedParameters.Apply(request, ReadEntry(ref reader, request), isHttp: false);

    public static void ReadOfInput(ref WireReader reader, InferRequest request, ref InputTensor input) =>
        PlacementParameters.Apply(request, ref input, ReadEntry(ref reader, request), isHttp: false);

    public static void ReadOfOutput(ref WireReader reader, InferRequest request, ref RequestedOutput output) =>
        PlacementParameters.Apply(request, ref output, ReadEntry(ref reader, request), isHttp: false);

    private static RequestParameter ReadEntry(ref WireReader reader, InferRequest request)
    {
        var parameter = new RequestParameter { Kind = ParameterKind.Missing };
        var key = default(Utf8Slice);
        var outer = reader.Enter();
        while (reader.TryReadTag(out var field, out var type))
        {
            switch (field, type)
            {
                case (1, WireType.LengthDelimited):
                    key = ReadText(ref reader, request);
                    break;
                case (2, WireType.LengthDelimited):
                    parameter = ReadValue(ref reader, request);
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }

        reader.Leave(outer);
        parameter.Key = key;
        return parameter;
    }

    private static RequestParameter ReadValue(ref WireReader reader, InferRequest request)
    {
        var parameter = new RequestParameter { Kind = ParameterKind.Missing };
        var outer = reader.Enter();
        while (reader.TryReadTag(out var field, out var type))
        {
            switch (field, type)
            {
                case (1, WireType.Varint):
                    parameter = new RequestParameter { Kind = ParameterKind.Bool, Bits = reader.ReadVarint() != 0 ? 1 : 0 };
                    break;
                case (2, WireType.Varint):
                    parameter = new RequestParameter { Kind = ParameterKind.Int64, Bits = (long)reader.ReadVarint() };
                    break;
                case (3, WireType.LengthDelimited):
                    parameter = new RequestParameter { Kind = ParameterKind.String, Text = ReadText(ref reader, request) };
                    break;
                case (4, WireType.Fixed64):
                    parameter = new RequestParameter { Kind = ParameterKind.Double, Bits = (long)reader.ReadFixed64() };
                    break;
                case (5, WireType.Varint):
                    parameter = new RequestParameter { Kind = ParameterKind.UInt64, Bits = (long)reader.ReadVarint() };
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }

        reader.Leave(outer);
        return parameter;
    }

    private static Utf8Slice ReadText(ref WireReader reader, InferRequest request)
    {
        reader.ReadExactly(request.AddText(reader.ReadLength(), out var slice));
        return slice;
    }
}
