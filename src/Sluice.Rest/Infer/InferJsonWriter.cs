using Sluice.Inference;
using Sluice.Rest.Calls;
using Sluice.Rest.Json;
using Sluice.Tensors;

namespace Sluice.Rest.Infer;

/// <summary>Writes the JSON part of a response from a request that succeeded (spec §2.3).</summary>
internal static class InferJsonWriter
{
    /// <summary>Writes it.</summary>
    /// <returns>Bytes of the outputs that follow it in binary; -1 when none does.</returns>
    /// <exception cref="InferenceException">An output has a type that JSON cannot carry.</exception>
    public static long Write(ResponseBuffer output, InferRequest request)
    {
        var settings = request.Settings!;
        output.WriteRaw("{"u8);
        if (!request.Id.IsEmpty)
        {
            output.WriteRaw("\"id\":"u8);
            output.WriteJsonString(request.Text(request.Id));
            output.WriteRaw(","u8);
        }

        output.WriteRaw("\"model_name\":"u8);
        output.WriteJsonString(settings.NameUtf8);
        output.WriteRaw(",\"model_version\":"u8);
        output.WriteJsonString(settings.VersionUtf8);
        WriteParameters(output, request.ResponseParameters);
        output.WriteRaw(",\"outputs\":["u8);
        var binaryLength = -1L;
        for (var i = 0; i < request.OutputCount; i++)
        {
            ref readonly var tensor = ref request.Outputs[i];
            if (i > 0)
                output.WriteRaw(","u8);
            var isBinary = InferOutputs.IsBinary(request, in tensor);
            WriteOutput(output, request, in tensor, isBinary);
            if (isBinary)
                binaryLength = Math.Max(binaryLength, 0) + tensor.Length;
        }

        output.WriteRaw("]}"u8);
        return binaryLength;
    }

    private static void WriteParameters(ResponseBuffer output, ReadOnlySpan<ResponseParameter> parameters)
    {
        if (parameters.IsEmpty)
            return;
        output.WriteRaw(",\"parameters\":{"u8);
        for (var i = 0; i < parameters.Length; i++)
        {
            if (i > 0)
                output.WriteRaw(","u8);
            ParameterJsonWriter.Write(output, in parameters[i]);
        }

        output.WriteRaw("}"u8);
    }

    private static void WriteOutput(ResponseBuffer output, InferRequest request, in OutputTensor tensor, bool isBinary)
    {
        var settings = request.Settings!.Outputs[tensor.Index];
        output.WriteRaw("{\"name\":"u8);
        output.WriteJsonString(settings.NameUtf8);
        output.WriteRaw(",\"datatype\":\""u8);
        output.WriteRaw(tensor.DataType.WireNameUtf8());
        output.WriteRaw("\",\"shape\":["u8);
        var dims = tensor.Shape.Dimensions;
        for (var i = 0; i < dims.Length; i++)
        {
            if (i > 0)
                output.WriteRaw(","u8);
            output.WriteNumber(dims[i]);
        }

        if (tensor.Shared != 0)
        {
            // Nothing says where it lies, which the caller does know: Triton's C++ client takes any parameter here for bytes behind the text.
            output.WriteRaw("]}"u8);
            return;
        }

        if (isBinary)
        {
            output.WriteRaw("],\"parameters\":{\"binary_data_size\":"u8);
            output.WriteNumber(tensor.Length);
            output.WriteRaw("}}"u8);
            return;
        }

        output.WriteRaw("],\"data\":"u8);
        TensorJsonWriter.Write(output, tensor.DataType, tensor.Data, settings.Name);
        output.WriteRaw("}"u8);
    }
}
