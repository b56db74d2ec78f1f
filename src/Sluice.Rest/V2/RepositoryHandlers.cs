using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using Sluice.Rest.Calls;
using Sluice.Rest.Json;

namespace Sluice.Rest.V2;

/// <summary>Serves the repository's index, loading and unloading.</summary>
internal sealed class RepositoryHandlers(UnaryMethods methods)
{
    public async ValueTask IndexAsync(RestCall call)
    {
        var request = new RepositoryIndexRequest { RepositoryName = call.Target.Repository };
        using (var body = await JsonBody.ReadAsync(call).ConfigureAwait(false))
        {
            if (body is not null && body.RootElement.TryGetProperty("ready", out var ready))
                request.Ready = ready.ValueKind is JsonValueKind.True or JsonValueKind.False
                    ? ready.GetBoolean()
                    : throw JsonTokens.Mistyped("ready", JsonTokenType.True);
        }

        var index = (RepositoryIndexResponse)await methods.InvokeAsync("RepositoryIndex", request, call).ConfigureAwait(false);
        using (var writer = new Utf8JsonWriter(call.Output, MessageJsonWriter.Options))
            Write(writer, index);
        await call.SendPlainJsonAsync().ConfigureAwait(false);
    }

    public async ValueTask LoadAsync(RestCall call)
    {
        var request = new RepositoryModelLoadRequest { RepositoryName = call.Target.Repository, ModelName = call.Model };
        await ReadParametersAsync(call, request.Parameters).ConfigureAwait(false);
        await methods.InvokeAsync("RepositoryModelLoad", request, call).ConfigureAwait(false);
        call.SendEmpty();
    }

    public async ValueTask UnloadAsync(RestCall call)
    {
        var request = new RepositoryModelUnloadRequest { RepositoryName = call.Target.Repository, ModelName = call.Model };
        await ReadParametersAsync(call, request.Parameters).ConfigureAwait(false);
        await methods.InvokeAsync("RepositoryModelUnload", request, call).ConfigureAwait(false);
        call.SendEmpty();
    }

    /// <summary>A model that was never loaded has only a name (spec §1.8).</summary>
    private static void Write(Utf8JsonWriter writer, RepositoryIndexResponse index)
    {
        writer.WriteStartArray();
        foreach (var model in index.Models)
        {
            writer.WriteStartObject();
            writer.WriteString("name", model.Name);
            if (model.Version.Length > 0)
                writer.WriteString("version", model.Version);
            if (model.State.Length > 0)
                writer.WriteString("state", model.State);
            if (model.Reason.Length > 0)
                writer.WriteString("reason", model.Reason);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static async ValueTask ReadParametersAsync(
        RestCall call, MapField<string, ModelRepositoryParameter> parameters)
    {
        using var body = await JsonBody.ReadAsync(call).ConfigureAwait(false);
        if (body is null || !body.RootElement.TryGetProperty("parameters", out var given))
            return;
        if (given.ValueKind != JsonValueKind.Object)
            throw JsonTokens.Mistyped("parameters", JsonTokenType.StartObject);
        foreach (var parameter in given.EnumerateObject())
            parameters[parameter.Name] = ToParameter(parameter);
    }

    private static ModelRepositoryParameter ToParameter(JsonProperty parameter)
    {
        var value = parameter.Value;
        switch (value.ValueKind)
        {
            case JsonValueKind.String when parameter.Name.StartsWith("file:", StringComparison.Ordinal):
                return value.TryGetBytesFromBase64(out var bytes)
                    ? new ModelRepositoryParameter { BytesParam = ByteString.CopyFrom(bytes) }
                    : throw InferenceException.Invalid($"load parameter '{parameter.Name}' is no base64 text");
            case JsonValueKind.String:
                return new ModelRepositoryParameter { StringParam = value.GetString() };
            case JsonValueKind.True or JsonValueKind.False:
                return new ModelRepositoryParameter { BoolParam = value.GetBoolean() };
            case JsonValueKind.Number when value.TryGetInt64(out var number):
                return new ModelRepositoryParameter { Int64Param = number };
            default:
                throw InferenceException.Invalid(
                    $"parameter '{parameter.Name}' has invalid type. It should be either 'int', 'bool', or 'string'.");
        }
    }
}
