using System.Buffers;
using System.Text;
using Sluice.Inference;
using Sluice.Protocol.Wire;

namespace Sluice.Protocol.Codec;

/// <summary>Writes a <c>ModelStreamInferResponse</c> from a finished request, be it answered or failed.</summary>
/// <remarks>
/// Grammar (spec §1.2, §1.7): <c>1 error_message, 2 infer_response</c>. A good response carries the parameter
/// <c>triton_final_response</c>; a failed one has the message and, in an otherwise empty response, the request's id.
/// </remarks>
public static class StreamResponseWriter
{
    private const byte TagError = 0x0A;
    private const byte TagResponse = 0x12;
    private const byte TagId = 0x1A;

    /// <summary>The parameter entry as the field of a response: <c>4 { 1: key, 2: { 1: true } }</c>.</summary>
    private static readonly byte[] FinalParameter =
        [0x22, 27, 0x0A, 21, .. "triton_final_response"u8, 0x12, 2, 0x08, 1];

    /// <summary>Returns the size of the message, bytes.</summary>
    public static long Measure(InferRequest request)
    {
        if (!request.IsOk)
            return MeasureFailure(request);
        var inner = InferResponseWriter.Measure(request) + FinalParameter.Length;
        return 1 + WireWriter.VarintSize((ulong)inner) + inner;
    }

    /// <summary>Writes the message.</summary>
    public static void Write(IBufferWriter<byte> destination, InferRequest request)
    {
        var writer = new WireWriter(destination);
        if (!request.IsOk)
        {
            writer.WriteField(TagError, Encoding.UTF8.GetBytes(request.StatusMessage));
            writer.WriteByte(TagResponse);
            writer.WriteVarint((ulong)MeasureId(request));
            writer.WriteFieldIfAny(TagId, request.Text(request.Id));
            writer.Flush();
            return;
        }

        writer.WriteByte(TagResponse);
        writer.WriteVarint((ulong)(InferResponseWriter.Measure(request) + FinalParameter.Length));
        writer.WriteRaw(FinalParameter);
        writer.Flush();
        InferResponseWriter.Write(destination, request);
    }

    private static int MeasureId(InferRequest request) =>
        request.Id.IsEmpty ? 0 : WireWriter.FieldSize(request.Id.Length);

    private static long MeasureFailure(InferRequest request) =>
        WireWriter.FieldSize(Encoding.UTF8.GetByteCount(request.StatusMessage)) + WireWriter.FieldSize(MeasureId(request));
}
