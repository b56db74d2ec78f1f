using System.Net;
using System.Text;
using Sluice.Functional.Tests.Infrastructure;
using Sluice.Protocol.Inference;
using Sluice.Server.Tracing;
using Sluice.Testing;

namespace Sluice.Functional.Tests;

/// <summary>Damaged bodies and headers through real sockets: an answer each time, no error of ours, and nothing kept.</summary>
public sealed class HttpFuzzTests
{
    private const int Rounds = 3000;

    private static readonly byte[][] Pieces =
    [
        .. new[]
        {
            "{", "}", "[", "]", ":", ",", "\"", "\\", "\\ud800", "\\u0000", "null", "true", "1e999", "-1", "9223372036854775808", "0.5",
            "\"OFF\"", "[[[[[[[[[[", "{\"a\":", "\"parameters\":{", "\"shared_memory_region\":\"r\",", " ", "../x", "/",
        }.Select(Encoding.UTF8.GetBytes),
        [0xC3], [0xED, 0xA0, 0x80], [0xFF], [0],
    ];

    private static readonly (string Path, string Body)[] Seeds =
    [
        ("/v2/models/wide/infer", """{"inputs":[{"name":"INPUT0","shape":[2],"datatype":"FP32","data":[1,2]}]}"""),
        ("/v2/models/wide/infer", """{"inputs":[{"name":"INPUT0","shape":[2],"datatype":"FP32","parameters":{"shared_memory_region":"r","shared_memory_byte_size":8}}]}"""),
        ("/v2/models/text/generate", """{"INPUT_TEXT":"x","INPUT_FLAG":true,"INPUT_LIST":[1,2,3,4]}"""),
        ("/v2/models/repeat_int32/generate_stream", """{"IN":[1,2],"DELAY":[0,0],"WAIT":0}"""),
        ("/v2/systemsharedmemory/region/r/register", """{"key":"/nothing","offset":0,"byte_size":64}"""),
        ("/v2/cudasharedmemory/region/r/register", """{"raw_handle":{"b64":"AAAA"},"device_id":0,"byte_size":64}"""),
        ("/v2/systemsharedmemory/region/r/unregister", ""),
        ("/v2/trace/setting", """{"trace_level":["TIMESTAMPS"],"trace_rate":"5","trace_count":"-1","log_frequency":null}"""),
        ("/v2/models/wide/trace/setting", """{"trace_level":["TENSORS"],"trace_rate":["7"]}"""),
        ("/v2/logging", """{"log_info":true,"log_verbose_level":0,"log_format":"ISO8601"}"""),
        ("/v2/repository/index", """{"ready":true}"""),
        ("/v2/repository/models/wide/load", """{"parameters":{"config":"{\"backend\":\"x\"}","file:1/model.onnx":"AAAA"}}"""),
        ("/v2/repository/models/wide/unload", """{"parameters":{"unload_dependents":true}}"""),
    ];

    private static readonly (string Name, string Value)[] Headers =
    [
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("tracestate", "a=b,c=d"),
        ("Inference-Header-Content-Length", "70"), ("Inference-Header-Content-Length", "0"), ("Content-Encoding", "gzip"),
        ("Accept-Encoding", "gzip;q=0.5, deflate"), ("authorization", "Basic YTpi"), ("x-forward", "1"),
    ];

    /// <summary>What clients of the ecosystem expect as 500 although it is theirs to mend.</summary>
    private static readonly string[] Documented =
        ["Unable to open shared memory region: ", "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer"];

    [Fact]
    public async Task DamagedCalls_AreAnsweredAndLeaveNothing()
    {
        var traces = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        await using (var server = await StartAsync(traces))
        {
            var before = server.Host.Pool.RentedCount;
            foreach (var seed in Fuzz.Seeds(20261121, Rounds))
                await TryAsync(server, new Random(seed), seed);
            await Eventually.TrueAsync(
                () => server.Host.Pool.RentedCount <= before + 8, () => $"{server.Host.Pool.RentedCount} buffers are rented, {before} were");
            Assert.True(await server.Grpc.IsServerLiveAsync());
        }

        File.Delete(traces);
    }

    /// <summary>Numbers and names at their bounds: refused in known codes, never an internal fault.</summary>
    [Fact]
    public async Task SharedMemory_OddRequestsOverGrpc_AreRefusedInKnownCodes()
    {
        await using var server = await StartAsync("");
        using var file = new SharedMemoryFile(4096);
        string[] names = ["r", "", "\0", "../x", new('n', 2000), "ä", "triton_python_backend_shm_region_1"];
        string[] keys = [file.Key, "", "/", "//", "..", "a/b", "\0", new('k', 300), "/nothing", "ä"];
        ulong[] numbers = [0, 1, 64, 4095, 4096, 4097, int.MaxValue, long.MaxValue, ulong.MaxValue, ulong.MaxValue - 4095];
        foreach (var seed in Fuzz.Seeds(20261122, 500))
        {
            var random = new Random(seed);
            await CallAsync<SystemSharedMemoryRegisterResponse>(server, seed, "SystemSharedMemoryRegister", new SystemSharedMemoryRegisterRequest
            {
                Name = Pick(names),
                Key = Pick(keys),
                Offset = Pick(numbers),
                ByteSize = Pick(numbers),
            });
            await CallAsync<SystemSharedMemoryStatusResponse>(
                server, seed, "SystemSharedMemoryStatus", new SystemSharedMemoryStatusRequest { Name = Pick(names) });
            var request = SharedMemoryClient.Request(
                "wide", SharedMemoryClient.Input("INPUT0", "FP32", Pick(names), (long)Pick(numbers), (long)Pick(numbers), 1));
            request.Outputs.Add(SharedMemoryClient.Output("OUTPUT0", Pick(names), (long)Pick(numbers), (long)Pick(numbers)));
            await CallAsync<ModelInferResponse>(server, seed, "ModelInfer", request);
            if (random.Next(3) == 0)
                await CallAsync<SystemSharedMemoryUnregisterResponse>(
                    server, seed, "SystemSharedMemoryUnregister", new SystemSharedMemoryUnregisterRequest { Name = Pick(names) });

            T Pick<T>(T[] choices) => choices[random.Next(choices.Length)];
        }

        await new SharedMemoryClient(server).UnregisterAsync("");
        Assert.Equal(0, server.Host.SharedMemory!.Count);
    }

    private static Task<OwnServer> StartAsync(string traces) => OwnServer.StartAsync(
        options => options with
        {
            AllowClientShm = true,
            Trace = new TraceOptions { File = traces },
            HttpForwardedHeaders = new("^x-"),
            ExitTimeout = TimeSpan.FromSeconds(30),
        }, "wide", "text", "repeat_int32");

    private static async Task CallAsync<T>(OwnServer server, int seed, string method, Google.Protobuf.IMessage request)
        where T : class, Google.Protobuf.IMessage<T>, new()
    {
        try
        {
            await server.CallAsync<T>(method, request);
        }
        catch (Client.SluiceException error)
        {
            Assert.True(
                error.Code is Inference.InferenceCode.InvalidArgument or Inference.InferenceCode.NotFound or Inference.InferenceCode.AlreadyExists
                    or Inference.InferenceCode.Internal or Inference.InferenceCode.Unimplemented,
                $"seed {seed}: {method}: {error.Code} {error.Message}");
            Assert.DoesNotContain("Exception", error.Message, StringComparison.Ordinal);
        }
    }

    private static async Task TryAsync(OwnServer server, Random random, int seed)
    {
        var (path, text) = Seeds[random.Next(Seeds.Length)];
        var body = Fuzz.Damage(random, Encoding.UTF8.GetBytes(text), Pieces);
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ByteArrayContent(body) };
        if (random.Next(3) == 0)
        {
            var (name, value) = Headers[random.Next(Headers.Length)];
            var damaged = Fuzz.Damage(random, Encoding.ASCII.GetBytes(value), [[(byte)'-'], [(byte)','], [(byte)'9'], [(byte)' '], [(byte)'=']]);
            var header = new string([.. damaged.Select(item => item is < 0x20 or > 0x7E ? '~' : (char)item)]);
            if (name.StartsWith("Content", StringComparison.Ordinal))
                request.Content.Headers.TryAddWithoutValidation(name, header);
            else
                request.Headers.TryAddWithoutValidation(name, random.Next(4) == 0 ? value : header);
        }

        using var limit = new CancellationTokenSource(ServerFixture.Patience);
        using var response = await server.Http.SendAsync(request, limit.Token);
        var answer = await response.Content.ReadAsStringAsync(limit.Token);
        var context = $"seed {seed}: {path} {Encoding.UTF8.GetString(body)}\n{(int)response.StatusCode} {answer}";
        Assert.True(
            response.StatusCode is HttpStatusCode.OK or HttpStatusCode.BadRequest or HttpStatusCode.NotFound or HttpStatusCode.Conflict
                or HttpStatusCode.UnsupportedMediaType or HttpStatusCode.NotImplemented or HttpStatusCode.ServiceUnavailable
                || Array.Exists(Documented, text => answer.Contains(text, StringComparison.Ordinal)),
            context);
        Assert.False(answer.Contains("Exception:", StringComparison.Ordinal), context);
    }
}
