using System.Net;
using System.Text;
using System.Text.Json;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Protocol.Codec;
using Sluice.Tensors;
using InferParameter = Sluice.Protocol.Inference.InferParameter;

namespace Sluice.Functional.Tests.Python;

/// <summary>Sends the requests of golden cases, written as v2 JSON, over both protocols, and compares answers.</summary>
internal static class PythonRequests
{
    public static async Task<(HttpStatusCode Status, JsonElement Body)> PostAsync(HttpClient http, string model, string json)
    {
        using var content = new StringContent(json, Encoding.UTF8, "application/json");
        using var response = await http.PostAsync($"v2/models/{model}/infer", content);
        return (response.StatusCode, JsonElement.Parse(await response.Content.ReadAsByteArrayAsync()));
    }

    public static InferRequestMessage ToMessage(string model, JsonElement request) => new()
    {
        ModelName = model,
        Id = request.TryGetProperty("id", out var id) ? id.GetString()! : "",
        Inputs = [.. request.GetProperty("inputs").EnumerateArray().Select(ToInput)],
        Outputs = request.TryGetProperty("outputs", out var outputs)
            ? [.. outputs.EnumerateArray().Select(output => output.GetProperty("name").GetString()!)]
            : [],
        Parameters = request.TryGetProperty("parameters", out var parameters)
            ? parameters.EnumerateObject().ToDictionary(property => property.Name, property => ToParameter(property.Value))
            : null,
    };

    /// <summary>Compares an answer in JSON.</summary>
    public static void Compare(JsonElement expected, JsonElement actual)
    {
        var outputs = expected.GetProperty("outputs").EnumerateArray().ToArray();
        Assert.Equal(outputs.Length, actual.GetProperty("outputs").GetArrayLength());
        foreach (var output in outputs)
        {
            var found = actual.GetProperty("outputs").EnumerateArray()
                .Single(other => other.GetProperty("name").GetString() == output.GetProperty("name").GetString());
            Assert.Equal(output.GetProperty("datatype").GetString(), found.GetProperty("datatype").GetString());
            Assert.Equal(string.Concat(output.GetProperty("shape").GetRawText().Where(c => !char.IsWhiteSpace(c))), found.GetProperty("shape").GetRawText());
            CompareValues(output.GetProperty("data"), found.GetProperty("data"));
        }
    }

    /// <summary>Compares an answer over gRPC.</summary>
    public static void Compare(JsonElement expected, InferResult actual)
    {
        var outputs = expected.GetProperty("outputs").EnumerateArray().ToArray();
        Assert.Equal(outputs.Length, actual.OutputCount);
        foreach (var output in outputs)
        {
            var name = output.GetProperty("name").GetString()!;
            Assert.Equal(output.GetProperty("datatype").GetString(), actual.GetDataType(name).WireName());
            long[] shape = [.. output.GetProperty("shape").EnumerateArray().Select(dim => dim.GetInt64())];
            Assert.Equal(shape, actual.GetShape(name).Dimensions.ToArray());
            var type = actual.GetDataType(name);
            var wanted = HttpTensors.FromJson(type, output.GetProperty("data"));
            if (type is not (DataType.Fp32 or DataType.Fp64))
            {
                Assert.Equal(wanted, actual.GetBytes(name).ToArray());
                continue;
            }

            Assert.All(
                Numbers(type, wanted).Zip(Numbers(type, actual.GetBytes(name))),
                pair => Assert.True(IsClose(pair.First, pair.Second), $"{name}: {pair.First}, {pair.Second}"));
        }
    }

    /// <summary>The rule of the golden set: 1e-6 of each.</summary>
    public static bool IsClose(double expected, double actual) =>
        Math.Abs(expected - actual) <= 1e-6 + (1e-6 * Math.Abs(expected));

    private static void CompareValues(JsonElement expected, JsonElement actual)
    {
        Assert.Equal(expected.GetArrayLength(), actual.GetArrayLength());
        foreach (var (wanted, found) in expected.EnumerateArray().Zip(actual.EnumerateArray()))
        {
            if (wanted.ValueKind == JsonValueKind.Number)
                Assert.True(IsClose(wanted.GetDouble(), found.GetDouble()), $"{wanted}, {found}");
            else
                Assert.Equal(wanted.ToString(), found.ToString());
        }
    }

    private static double[] Numbers(DataType type, ReadOnlySpan<byte> data) => type == DataType.Fp32
        ? Array.ConvertAll(System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(data).ToArray(), value => (double)value)
        : System.Runtime.InteropServices.MemoryMarshal.Cast<byte, double>(data).ToArray();

    private static InferInput ToInput(JsonElement input)
    {
        Assert.True(DataTypes.TryParse(input.GetProperty("datatype").GetString(), out var type));
        return InferInput.WrapRaw(
            input.GetProperty("name").GetString()!, type, HttpTensors.FromJson(type, input.GetProperty("data")),
            [.. input.GetProperty("shape").EnumerateArray().Select(dim => dim.GetInt64())]);
    }

    private static InferParameter ToParameter(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True => new InferParameter { BoolParam = true },
        JsonValueKind.False => new InferParameter { BoolParam = false },
        JsonValueKind.Number when value.TryGetInt64(out var number) => new InferParameter { Int64Param = number },
        JsonValueKind.Number => new InferParameter { DoubleParam = value.GetDouble() },
        _ => new InferParameter { StringParam = value.ToString() },
    };

}
