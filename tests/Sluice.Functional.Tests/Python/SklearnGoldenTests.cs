using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using System.Text.Json;
using Sluice.Client;
using Sluice.Protocol.Codec;
using Sluice.Tensors;
using Sluice.Testing;

namespace Sluice.Functional.Tests.Python;

/// <summary>Everything that scikit-learn saved gives what the library gave, over both protocols.</summary>
[Collection(PythonGroup.Name)]
public sealed class SklearnGoldenTests(PythonFixture server) : IDisposable
{
    private readonly SluiceClient _client = new(server.Host.GrpcAddress!);
    private readonly HttpClient _http = server.CreateHttp();

    public static TheoryData<string> Names() => [.. Directory.EnumerateDirectories(GoldenSet.FolderOf("sklearn"))
        .Select(folder => Path.GetFileName(folder)).Order(StringComparer.Ordinal)];

    public void Dispose()
    {
        _client.Dispose();
        _http.Dispose();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Grpc_GoldenInputs_GiveWhatTheLibraryGave(string name)
    {
        var (folder, outputs) = Read(name);
        var inputs = NpyFile.Read(Path.Combine(folder, "inputs.npy"));
        using var result = await _client.InferAsync(new InferRequestMessage
        {
            ModelName = $"sk_{name}",
            Inputs = [InferInput.WrapRaw("input", inputs.DataType, inputs.Data, inputs.Shape)],
            Outputs = [.. outputs.Select(output => output.Name)],
        });
        foreach (var (file, output) in outputs)
        {
            if (result.GetDataType(output) == DataType.Bytes)
            {
                Assert.Equal(TextsOf(folder), result.GetStrings(output));
                continue;
            }

            var expected = NpyFile.Read(Path.Combine(folder, file));
            Assert.Equal(expected.DataType, result.GetDataType(output));
            Assert.Equal(expected.Shape, result.GetShape(output).Dimensions.ToArray());
            if (expected.DataType == DataType.Fp64)
                Compare(MemoryMarshal.Cast<byte, double>(expected.Data), result.GetSpan<double>(output));
            else
                Assert.Equal(expected.Data, result.GetBytes(output).ToArray());
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Http_WithoutNamedOutputs_GivesThePredictionAlone(string name)
    {
        var (folder, _) = Read(name);
        var inputs = NpyFile.Read(Path.Combine(folder, "inputs.npy"));
        var columns = (int)inputs.Shape[1];
        var row = MemoryMarshal.Cast<byte, double>(inputs.Data)[..columns].ToArray()
            .Select(value => value.ToString("R", CultureInfo.InvariantCulture));
        var (status, body) = await PythonRequests.PostAsync(_http, $"sk_{name}",
            $$"""{"inputs":[{"name":"input","datatype":"FP64","shape":[1,{{columns}}],"data":[{{string.Join(',', row)}}]}]}""");
        Assert.True(status == HttpStatusCode.OK, body.GetRawText());
        var output = Assert.Single(body.GetProperty("outputs").EnumerateArray().ToArray());
        Assert.Equal("predict", output.GetProperty("name").GetString());
    }

    [Fact]
    public async Task RowsOfTheWrongWidth_AreTheClientsFault()
    {
        var (status, body) = await PythonRequests.PostAsync(
            _http, "sk_ridge", """{"inputs":[{"name":"input","datatype":"FP64","shape":[1,3],"data":[1,2,3]}]}""");
        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains("sk_ridge", body.GetProperty("error").GetString(), StringComparison.Ordinal);
    }

    private static void Compare(ReadOnlySpan<double> expected, ReadOnlySpan<double> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= 1e-9 * (1 + Math.Abs(expected[i])), $"{i}: {expected[i]}, {actual[i]}");
    }

    private static string[] TextsOf(string folder)
    {
        var json = JsonElement.Parse(File.ReadAllBytes(Path.Combine(folder, "expected.json")));
        var array = json.ValueKind == JsonValueKind.Array ? json : json.GetProperty("data");
        return [.. array.EnumerateArray().Select(text => text.GetString()!)];
    }

    private static (string Folder, (string File, string Name)[] Outputs) Read(string name)
    {
        var folder = Path.Combine(GoldenSet.FolderOf("sklearn"), name);
        var outputs = PythonFixture.JsonOf(folder).GetProperty("outputs").EnumerateArray()
            .Select(output => output.GetProperty("file").GetString()!)
            .Select(file => (file, file == "expected.npy" ? "predict" : file["expected_".Length..^".npy".Length]));
        return (folder, [.. outputs]);
    }
}
