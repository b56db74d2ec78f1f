using Google.Protobuf;
using Sluice.Inference;

namespace Sluice.Rpc.Calls;

/// <summary>Reads and writes messages that protoc generated.</summary>
internal static class GeneratedMessage
{
    public static async ValueTask<T> ReadSingleAsync<T>(RpcCall call, MessageParser<T> parser)
        where T : IMessage<T>
    {
        using var lease = await call.Reader.ReadSingleAsync(bulkOffset: null).ConfigureAwait(false);
        return Parse(parser, in lease);
    }

    public static T Parse<T>(MessageParser<T> parser, in Framing.MessageLease lease)
        where T : IMessage<T>
    {
        try
        {
            return parser.ParseFrom(lease.Payload);
        }
        catch (InvalidProtocolBufferException error)
        {
            throw new InferenceException(InferenceCode.Internal, $"the request is no valid message: {error.Message}", error);
        }
    }

    public static void Write(RpcCall call, IMessage message) =>
        call.Write(message, message.CalculateSize(), static (output, body) => body.WriteTo(output));
}
