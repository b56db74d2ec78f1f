using System.Text;
using System.Text.Json;
using Sluice.Control.Artifacts;
using Sluice.Control.Records;
using Sluice.Inference;

namespace Sluice.Control.Reconciler;

/// <summary>Makes what engines load from.</summary>
internal static class EndpointPlans
{
    public static EndpointPlan Create(
        EndpointSpec spec, string? modelPath, ArtifactLease? code, IModelReference? servedModel, IEndpointCalls calls)
    {
        return new EndpointPlan
        {
            Key = spec.Key,
            Engine = spec.EngineType,
            ModelPath = modelPath,
            PreprocessPath = code?.Path,
            PreprocessHash = code?.Sha256,
            ModelName = servedModel?.Servable.Settings.Name,
            Model = servedModel,
            Inputs = Tensors(spec.InputName, spec.InputType, spec.InputSize),
            Outputs = Tensors(spec.OutputName, spec.OutputType, spec.OutputSize),
            RecordJson = ToJson(spec),
            Auxiliary = AuxiliaryConfig.Flatten(spec.AuxiliaryCfg),
            Calls = calls,
        };
    }

    /// <summary>The record as stored, with all fields, as user code finds it in <c>model_endpoint</c>.</summary>
    public static string ToJson(EndpointSpec spec)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteString("engine_type", spec.EngineType);
            json.WriteString("serving_url", spec.ServingUrl);
            json.WriteString("model_id", spec.ModelId);
            json.WriteString("version", spec.Version);
            json.WriteString("preprocess_artifact", spec.PreprocessArtifact);
            Write(json, "input", spec.InputSize, spec.InputType, spec.InputName);
            Write(json, "output", spec.OutputSize, spec.OutputType, spec.OutputName);
            json.WritePropertyName("auxiliary_cfg");
            if (spec.AuxiliaryCfg is null)
                json.WriteNullValue();
            else
                json.WriteRawValue(spec.AuxiliaryCfg);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }

    private static List<EndpointTensor> Tensors(ValueList<string> names, ValueList<string> types, ValueList<ValueList<long>> sizes)
    {
        var count = Math.Max(names.Count, Math.Max(types.Count, sizes.Count));
        return [.. Enumerable.Range(0, count).Select(i => new EndpointTensor(
            i < names.Count ? names[i] : "",
            i < types.Count ? types[i] : types.Count > 0 ? types[types.Count - 1] : "",
            i < sizes.Count ? [.. sizes[i]] : []))];
    }

    private static void Write(
        Utf8JsonWriter json, string side, ValueList<ValueList<long>> sizes, ValueList<string> types, ValueList<string> names)
    {
        json.WritePropertyName(side + "_size");
        Write(json, sizes, (writer, size) => Write(writer, size, static (inner, dim) => inner.WriteNumberValue(dim)));
        json.WritePropertyName(side + "_type");
        Write(json, types, static (writer, type) => writer.WriteStringValue(type));
        json.WritePropertyName(side + "_name");
        Write(json, names, static (writer, name) => writer.WriteStringValue(name));
    }

    private static void Write<T>(Utf8JsonWriter json, ValueList<T> items, Action<Utf8JsonWriter, T> write)
    {
        if (items.Count == 0)
        {
            json.WriteNullValue();
            return;
        }

        json.WriteStartArray();
        foreach (var item in items)
            write(json, item);
        json.WriteEndArray();
    }
}
