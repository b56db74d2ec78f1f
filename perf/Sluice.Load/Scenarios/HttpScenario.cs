using System.Buffers;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using Sluice.Protocol.Codec;

namespace Sluice.Load.Scenarios;

/// <summary>v2 HTTP/1.1: tensors as JSON numbers, or as bytes behind a JSON head (the binary extension).</summary>
internal sealed class HttpScenario : ILoadScenario
{
    private const string LengthHeader = "Inference-Header-Content-Length";

    private readonly HttpClient _client;
    private readonly Uri _path;
    private readonly byte[] _body;
    private readonly int? _headLength;

    public HttpScenario(LoadOptions options, bool isBinary)
    {
        _client = new HttpClient(new SocketsHttpHandler { UseCookies = false, UseProxy = false })
        {
            BaseAddress = new Uri("http://" + (options.Address ?? "localhost:8000")),
        };
        _path = new Uri($"/v2/models/{options.Model}/infer", UriKind.Relative);
        var body = new ArrayBufferWriter<byte>();
        WriteHead(body, options.Inputs, isBinary);
        if (isBinary)
        {
            _headLength = body.WrittenCount;
            foreach (var input in options.Inputs)
                body.Write(input.Data.Span);
        }

        _body = body.WrittenSpan.ToArray();
    }

    public async ValueTask SendAsync()
    {
        using var content = new ByteArrayContent(_body);
        if (_headLength is { } length)
            content.Headers.Add(LengthHeader, length.ToString(CultureInfo.InvariantCulture));
        else
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var response = await _client.PostAsync(_path, content);
        if (!response.IsSuccessStatusCode)
            throw new HttpRequestException($"status {(int)response.StatusCode}: {await response.Content.ReadAsStringAsync()}");
    }

    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        return ValueTask.CompletedTask;
    }

    private static void WriteHead(IBufferWriter<byte> body, List<InferInput> inputs, bool isBinary)
    {
        using var json = new Utf8JsonWriter(body);
        json.WriteStartObject();
        json.WriteStartArray("inputs");
        foreach (var input in inputs)
        {
            json.WriteStartObject();
            json.WriteString("name", input.Name);
            json.WriteString("datatype", Sluice.Tensors.DataTypes.WireName(input.DataType));
            json.WriteStartArray("shape");
            foreach (var dimension in input.Shape.Dimensions.ToArray())
                json.WriteNumberValue(dimension);
            json.WriteEndArray();
            if (isBinary)
                WriteSize(json, input);
            else
                WriteZeros(json, input);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        if (isBinary)
        {
            json.WriteStartObject("parameters");
            json.WriteBoolean("binary_data_output", true);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void WriteSize(Utf8JsonWriter json, InferInput input)
    {
        json.WriteStartObject("parameters");
        json.WriteNumber("binary_data_size", input.Data.Length);
        json.WriteEndObject();
    }

    private static void WriteZeros(Utf8JsonWriter json, InferInput input)
    {
        json.WriteStartArray("data");
        input.Shape.TryGetElementCount(out var count);
        for (long i = 0; i < count; i++)
        {
            if (input.DataType == Sluice.Tensors.DataType.Bool)
                json.WriteBooleanValue(false);
            else
                json.WriteNumberValue(0);
        }

        json.WriteEndArray();
    }
}
