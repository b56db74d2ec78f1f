using System.Net;
using System.Runtime.InteropServices;
using System.Text.Json;
using Sluice.Client;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Codec;
using Sluice.Testing;
using InferParameter = Sluice.Protocol.Inference.InferParameter;

namespace Sluice.Functional.Tests.Python;

/// <summary>Every golden case of Triton Python models over HTTP and gRPC.</summary>
[Collection(PythonGroup.Name)]
public sealed class PythonGoldenTests(PythonFixture server) : IDisposable
{
    private static readonly string[] Apart = ["repeat_decoupled", "slow_cancellable", "exit_process"];

    private readonly SluiceClient _client = new(server.Host.GrpcAddress!);
    private readonly HttpClient _http = server.CreateHttp();

    public static TheoryData<string> Names() => [.. Directory.EnumerateDirectories(GoldenSet.FolderOf("python"))
        .Select(folder => Path.GetFileName(folder)).Where(name => !Apart.Contains(name)).Order(StringComparer.Ordinal)];

    public void Dispose()
    {
        _client.Dispose();
        _http.Dispose();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Http_GoldenCases_GiveGoldenAnswers(string name)
    {
        var (model, cases) = Read(name);
        foreach (var golden in cases)
        {
            var (status, body) = await PythonRequests.PostAsync(_http, model, golden.GetProperty("request").GetRawText());
            if (golden.TryGetProperty("expect_error", out _))
            {
                Assert.Contains(ErrorOf(golden), body.GetProperty("error").GetString(), StringComparison.Ordinal);
                Assert.Equal(ErrorOf(golden) == "negative x" ? HttpStatusCode.BadRequest : HttpStatusCode.InternalServerError, status);
                continue;
            }

            Assert.True(status == HttpStatusCode.OK, body.GetRawText());
            PythonRequests.Compare(golden.GetProperty("response"), body);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Grpc_GoldenCases_GiveGoldenAnswers(string name)
    {
        var (model, cases) = Read(name);
        foreach (var golden in cases)
        {
            var message = PythonRequests.ToMessage(model, golden.GetProperty("request"));
            if (golden.TryGetProperty("expect_error", out _))
            {
                var error = await Assert.ThrowsAsync<SluiceException>(() => _client.InferAsync(message));
                Assert.Contains(ErrorOf(golden), error.Message, StringComparison.Ordinal);
                continue;
            }

            using var result = await _client.InferAsync(message);
            PythonRequests.Compare(golden.GetProperty("response"), result);
        }
    }

    [Fact]
    public async Task Exception_OfExecute_ShowsTheTraceback()
    {
        var (model, cases) = Read("crash_in_execute");
        var (_, body) = await PythonRequests.PostAsync(_http, model, cases[1].GetProperty("request").GetRawText());
        var text = body.GetProperty("error").GetString();
        Assert.StartsWith("Failed to process the request(s) for model 'py_raise_0', message: ZeroDivisionError:", text, StringComparison.Ordinal);
        Assert.Contains("model.py(13): execute", text, StringComparison.Ordinal);
    }

    /// <summary>The code reads them with <c>json.loads</c>, which takes <c>2</c> for an int.</summary>
    [Fact]
    public async Task Parameters_OfFloatingPoint_StayFloatsInTheCode()
    {
        var (model, _) = Read("parameters_echo");
        var (status, body) = await PythonRequests.PostAsync(
            _http, model, """{"inputs":[{"name":"X","datatype":"INT32","shape":[1],"data":[1]}],"parameters":{"a":2.0,"b":-0.0,"c":1e300,"d":NaN,"e":-Infinity,"f":3}}""");

        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Contains(
            "\"request\": {\"a\": 2.0, \"b\": -0.0, \"c\": 1e+300, \"d\": NaN, \"e\": -Infinity, \"f\": 3}",
            body.GetProperty("outputs")[0].GetProperty("data")[0].GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Decoupled_GoldenCases_StreamTheirResponsesAndAnEmptyFinal()
    {
        var (model, cases) = Read("repeat_decoupled");
        await using var stream = _client.OpenInferStream(new CallOptions { Timeout = ServerFixture.Patience });
        foreach (var golden in cases)
        {
            var request = PythonRequests.ToMessage(model, golden.GetProperty("request"));
            await stream.WriteAsync(new InferRequestMessage
            {
                ModelName = model,
                Inputs = request.Inputs,
                Parameters = new Dictionary<string, InferParameter>
                {
                    ["triton_enable_empty_final_response"] = new() { BoolParam = true },
                },
            });
            foreach (var expected in golden.GetProperty("responses").EnumerateArray())
            {
                using var result = await stream.ReadAsync();
                Assert.Null(result!.Error);
                Assert.False(result.Parameters["triton_final_response"].BoolParam);
                PythonRequests.Compare(expected, result);
            }

            using var final = await stream.ReadAsync();
            Assert.Equal(0, final!.OutputCount);
            Assert.True(final.Parameters["triton_final_response"].BoolParam);
        }
    }

    [Fact]
    public async Task Decoupled_OverUnaryCalls_IsRefused()
    {
        var (model, cases) = Read("repeat_decoupled");
        var (status, body) = await PythonRequests.PostAsync(_http, model, cases[0].GetProperty("request").GetRawText());
        Assert.NotEqual(HttpStatusCode.OK, status);
        Assert.Contains("decoupled", body.GetProperty("error").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Decoupled_FiftyRequestsAtATime_EachGetTheirOwnInOrder()
    {
        await using var stream = _client.OpenInferStream(new CallOptions { Timeout = ServerFixture.Patience });
        for (var i = 0; i < 50; i++)
        {
            await stream.WriteAsync(new InferRequestMessage
            {
                ModelName = "py_repeat",
                Id = $"{i}",
                Inputs = [InferInput.Create<int>("IN", [.. Enumerable.Range(i, 100)], 100)],
            });
        }

        stream.Complete();
        var next = new int[50];
        while (await stream.ReadAsync() is { } result)
        {
            using (result)
            {
                Assert.Null(result.Error);
                var request = int.Parse(result.Id, System.Globalization.CultureInfo.InvariantCulture);
                Assert.Equal(next[request]++, result.GetSpan<int>("IDX")[0]);
                Assert.Equal(request + next[request] - 1, result.GetSpan<int>("OUT")[0]);
            }
        }

        Assert.All(next, count => Assert.Equal(100, count));
    }

    [Fact]
    public async Task CancelledCall_ReachesTheCode()
    {
        var (model, cases) = Read("slow_cancellable");
        var (status, _) = await PythonRequests.PostAsync(_http, model, cases[0].GetProperty("request").GetRawText());
        Assert.Equal(HttpStatusCode.OK, status);
        var message = PythonRequests.ToMessage(model, cases[1].GetProperty("request"));
        var error = await Assert.ThrowsAsync<SluiceException>(
            () => _client.InferAsync(message, new CallOptions { Timeout = TimeSpan.FromSeconds(3) }));
        Assert.Equal(InferenceCode.DeadlineExceeded, error.Code);
        await Eventually.TrueAsync(
            () => File.Exists(server.NoteFile) && File.ReadAllText(server.NoteFile).Contains("60000 True", StringComparison.Ordinal),
            () => "the code was not told");
    }

    [Theory]
    [InlineData(13)]
    [InlineData(14)]
    [InlineData(15)]
    public async Task ProcessThatEnds_FailsItsRequest_AndRunsAgain(int x)
    {
        var before = await ExitModelAsync(21);
        await Assert.ThrowsAsync<SluiceException>(() => ExitModelAsync(x));
        var after = await ExitModelAsync(21);
        Assert.NotEqual(before, after);
    }

    [Fact]
    public async Task LargeTensors_CrossInSharedMemory()
    {
        var values = new float[4 * 1024 * 1024];
        Random.Shared.NextBytes(MemoryMarshal.AsBytes(values.AsSpan()));
        for (var i = 0; i < 4; i++)
        {
            using var result = await _client.InferAsync(new InferRequestMessage
            {
                ModelName = "py_identity",
                Inputs = [InferInput.Create("IN", values, values.Length)],
            });
            Assert.True(MemoryMarshal.AsBytes(values.AsSpan()).SequenceEqual(result.GetBytes("OUT")));
        }
    }

    private async Task<long> ExitModelAsync(int x)
    {
        using var result = await _client.InferAsync(new InferRequestMessage
        {
            ModelName = "py_exit",
            Inputs = [InferInput.Create<int>("X", [x], 1)],
        });
        Assert.Equal(2 * x, result.GetSpan<int>("Y")[0]);
        return result.GetSpan<long>("PID")[0];
    }

    private static string ErrorOf(JsonElement golden) =>
        golden.GetProperty("response").GetProperty("error").GetString()!;

    private static (string Model, JsonElement[] Cases) Read(string name)
    {
        var about = PythonFixture.JsonOf(Path.Combine(GoldenSet.FolderOf("python"), name));
        return (about.GetProperty("model_name").GetString()!, [.. about.GetProperty("cases").EnumerateArray()]);
    }
}
