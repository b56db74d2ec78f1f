using System.Buffers;
using Sluice.Inference;
using Sluice.Protocol.Wire;
using Sluice.Tensors;

namespace Sluice.Protocol.Codec;

/// <summary>Writes a <c>ModelInferResponse</c> from a request that succeeded.</summary>
/// <remarks>
/// <para>Grammar (spec §1.2): <c>1 model_name, 2 model_version, 3 id, 4 parameters, 5 outputs, 6 raw_output_contents</c>;
/// output: <c>1 name, 2 datatype, 3 shape, 4 parameters</c>. Tensors always go as raw contents, one per output in the same
/// order; that of an output in shared memory is empty.</para>
/// <para><b>Ownership.</b> Reads the request's outputs; they are copied into the writer.</para>
/// </remarks>
public static class InferResponseWriter
{
    private const byte TagModelName = 0x0A;
    private const byte TagModelVersion = 0x12;
    private const byte TagId = 0x1A;
    private const byte TagOutput = 0x2A;
    private const byte TagRawContent = 0x32;
    private const byte TagName = 0x0A;
    private const byte TagDataType = 0x12;
    private const byte TagShape = 0x1A;

    /// <summary>Returns the size of the message, bytes; may exceed what gRPC can carry.</summary>
    public static long Measure(InferRequest request)
    {
        var settings = request.Settings!;
        long size = FieldIfAny(settings.NameUtf8.Length) + FieldIfAny(settings.VersionUtf8.Length) +
            FieldIfAny(request.Id.Length) + ResponseParameterWriter.Measure(request.ResponseParameters);
        foreach (ref readonly var output in request.Outputs)
        {
            size += WireWriter.FieldSize(MeasureOutput(in output, request));
            size += 1 + WireWriter.VarintSize((ulong)output.Length) + (long)output.Length;
        }

        return size;
    }

    /// <summary>Writes the message.</summary>
    public static void Write(IBufferWriter<byte> destination, InferRequest request)
    {
        WriteHead(destination, request);
        foreach (ref readonly var output in request.Outputs)
        {
            WriteRawHead(destination, output.Length);
            WriteRaw(destination, output.Data);
        }
    }

    /// <summary>Writes everything but the raw contents.</summary>
    public static void WriteHead(IBufferWriter<byte> destination, InferRequest request)
    {
        var settings = request.Settings!;
        var writer = new WireWriter(destination);
        writer.WriteFieldIfAny(TagModelName, settings.NameUtf8);
        writer.WriteFieldIfAny(TagModelVersion, settings.VersionUtf8);
        writer.WriteFieldIfAny(TagId, request.Text(request.Id));
        ResponseParameterWriter.Write(ref writer, request.ResponseParameters);
        foreach (ref readonly var output in request.Outputs)
            WriteOutput(ref writer, in output, request);
        writer.Flush();
    }

    /// <summary>Writes what stands before one output's raw bytes.</summary>
    public static void WriteRawHead(IBufferWriter<byte> destination, int length)
    {
        var writer = new WireWriter(destination, 16);
        writer.WriteByte(TagRawContent);
        writer.WriteVarint((ulong)length);
        writer.Flush();
    }

    /// <summary>Writes a piece of an output's raw bytes.</summary>
    /// <remarks>Always asks for room: asked for none, a transport whose peer is gone may give none for ever.</remarks>
    public static void WriteRaw(IBufferWriter<byte> destination, ReadOnlySpan<byte> piece)
    {
        var writer = new WireWriter(destination);
        writer.WriteRaw(piece);
        writer.Flush();
    }

    private static int FieldIfAny(int length) => length == 0 ? 0 : WireWriter.FieldSize(length);

    private static int MeasureOutput(in OutputTensor output, InferRequest request)
    {
        var dims = MeasureDims(in output.Shape);
        return WireWriter.FieldSize(request.Settings!.Outputs[output.Index].NameUtf8.Length) +
            WireWriter.FieldSize(output.DataType.WireNameUtf8().Length) +
            (dims == 0 ? 0 : WireWriter.FieldSize(dims)) +
            (output.Shared == 0 ? 0 : SharedPlaceWriter.Measure(request, output.Shared));
    }

    private static int MeasureDims(in Shape shape)
    {
        var size = 0;
        foreach (var dimension in shape.Dimensions)
            size += WireWriter.VarintSize((ulong)dimension);
        return size;
    }

    private static void WriteOutput(ref WireWriter writer, in OutputTensor output, InferRequest request)
    {
        writer.WriteByte(TagOutput);
        writer.WriteVarint((ulong)MeasureOutput(in output, request));
        writer.WriteField(TagName, request.Settings!.Outputs[output.Index].NameUtf8);
        writer.WriteField(TagDataType, output.DataType.WireNameUtf8());
        var dims = MeasureDims(in output.Shape);
        if (dims > 0)
        {
            writer.WriteByte(TagShape);
            writer.WriteVarint((ulong)dims);
            foreach (var dimension in output.Shape.Dimensions)
                writer.WriteVarint((ulong)dimension);
        }

        if (output.Shared != 0)
            SharedPlaceWriter.Write(ref writer, request, output.Shared);
    }
}
