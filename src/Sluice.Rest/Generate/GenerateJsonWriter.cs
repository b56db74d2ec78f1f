using Sluice.Inference;
using Sluice.Rest.Calls;
using Sluice.Rest.Json;

namespace Sluice.Rest.Generate;

/// <summary>Writes a response of the generate extension: one flat object, tensors of one element as plain values.</summary>
internal static class GenerateJsonWriter
{
    /// <summary>Writes what stands in the request.</summary>
    /// <exception cref="InferenceException">An output has a type that JSON cannot carry.</exception>
    public static void Write(ResponseBuffer output, InferRequest request)
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
        foreach (ref readonly var parameter in request.ResponseParameters)
        {
            output.WriteRaw(","u8);
            ParameterJsonWriter.Write(output, in parameter);
        }

        foreach (ref readonly var tensor in request.Outputs)
        {
            var name = settings.Outputs[tensor.Index];
            output.WriteRaw(","u8);
            output.WriteJsonString(name.NameUtf8);
            output.WriteRaw(":"u8);
            if (tensor.Shape.TryGetElementCount(out var count) && count == 1)
                TensorJsonWriter.WriteElements(output, tensor.DataType, tensor.Data, name.Name);
            else
                TensorJsonWriter.Write(output, tensor.DataType, tensor.Data, name.Name);
        }

        output.WriteRaw("}"u8);
    }

    /// <summary>Writes an error object.</summary>
    public static void WriteError(ResponseBuffer output, string message)
    {
        output.WriteRaw("{\"error\":"u8);
        output.WriteJsonString(message);
        output.WriteRaw("}"u8);
    }
}
