using System.Buffers;
using System.Text;
using Sluice.Inference;
using Sluice.Protocol.Wire;

namespace Sluice.Protocol.Codec;

/// <summary>Writes a <c>ModelStreamInferResponse</c> from what stands in a request: outputs, a failure, or neither.</summary>
/// <remarks>
/// <para>Grammar (spec §1.2, §1.7): <c>1 error_message, 2 infer_response</c>. Every response of a model carries the parameter
/// <c>triton_final_response</c>. A failure has its message and, in a response without outputs, the request's id; a request
/// that never reached its model has nothing but these two.</para>
/// </remarks>
public static class StreamResponseWriter
{
    private const byte TagError = 0x0A;
    private const byte TagResponse = 0x12;
    private const byte TagId = 0x1A;

    /// <summary>The parameter entry as the field of a response: <c>4 { 1: key, 2: { 1: value } }</c>.</summary>
    private static readonly byte[] FinalParameter =
        [0x22, 27, 0x0A, 21, .. "triton_final_response"u8, 0x12, 2, 0x08, 1];

    private static readonly byte[] PartialParameter = [.. FinalParameter[..^1], 0];

    /// <summary>Returns the size of the message, bytes.</summary>
    public static long Measure(InferRequest request)
    {
        var inner = MeasureResponse(request);
        return MeasureError(request) + 1 + WireWriter.VarintSize((ulong)inner) + inner;
    }

    /// <summary>Writes the message.</summary>
    /// <param name="destination">Where it goes.</param>
    /// <param name="request">Its outputs are copied.</param>
    /// <param name="isFinal">The model will not answer this request again.</param>
    public static void Write(IBufferWriter<byte> destination, InferRequest request, bool isFinal)
    {
        WritePrelude(destination, request, isFinal);
        if (HasResponse(request))
            InferResponseWriter.Write(destination, request);
    }

    /// <summary>Writes everything that stands before the bytes of <see cref="InferResponseWriter"/>.</summary>
    /// <param name="destination">Where it goes.</param>
    /// <param name="request">The answered request.</param>
    /// <param name="isFinal">The model will not answer this request again.</param>
    public static void WritePrelude(IBufferWriter<byte> destination, InferRequest request, bool isFinal)
    {
        var writer = new WireWriter(destination);
        if (!request.IsOk)
            writer.WriteField(TagError, Encoding.UTF8.GetBytes(request.StatusMessage));
        writer.WriteByte(TagResponse);
        writer.WriteVarint((ulong)MeasureResponse(request));
        if (HasResponse(request))
            writer.WriteRaw(isFinal ? FinalParameter : PartialParameter);
        else
            writer.WriteFieldIfAny(TagId, request.Text(request.Id));
        writer.Flush();
    }

    /// <summary>False for a request that never reached its model.</summary>
    private static bool HasResponse(InferRequest request) => request.Settings is not null && !request.IsRefused;

    private static long MeasureError(InferRequest request) =>
        request.IsOk ? 0 : WireWriter.FieldSize(Encoding.UTF8.GetByteCount(request.StatusMessage));

    private static long MeasureResponse(InferRequest request)
    {
        if (HasResponse(request))
            return InferResponseWriter.Measure(request) + FinalParameter.Length;
        return request.Id.IsEmpty ? 0 : WireWriter.FieldSize(request.Id.Length);
    }
}
