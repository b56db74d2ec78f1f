using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace Sluice.Functional.Tests.Control;

/// <summary>The control API over HTTP, on a real port.</summary>
public sealed class ControlRestTests
{
    private const string Custom = """{"engine_type": "custom", "serving_url": "/a/", "version": "1"}""";

    [Fact]
    public async Task Endpoint_FromCreationToRemoval()
    {
        await using var server = await ControlServer.StartAsync();
        var service = await server.CallAsync("POST", "/v1/services", """{"name": "s", "tags": ["t"]}""");
        var id = (string)service["id"]!;
        Assert.Equal("DevOps", (string)service["project"]!);
        var model = await server.UploadAsync([1, 2, 3]);
        var put = await server.CallAsync(
            "POST", $"/v1/services/{id}/endpoints",
            $$"""
            {"engineType": "triton", "servingUrl": "digits", "version": "v1", "modelId": "{{model}}", "input_size": [[1, 28, 28]],
             "input_type": ["f4"], "input_name": ["x"], "outputSize": [[-1, 10]], "outputType": ["float32"], "outputName": ["y"],
             "auxiliary_cfg": {"dynamic_batching": {"preferred_batch_size": [1, 2] } } }
            """);
        Assert.Equal("2", (string)put["revision"]!);
        Assert.False((bool)put["replaced"]!);

        var read = await server.CallAsync("GET", $"/v1/services/{id}/endpoints/digits/v1");
        Assert.Equal("float32", (string)read["inputType"]![0]!);
        Assert.Equal(28, (int)read["inputSize"]![0]![1]!);
        Assert.Equal(2, (int)read["auxiliaryCfg"]!["dynamic_batching"]!["preferred_batch_size"]![1]!);
        Assert.Equal(read.ToJsonString(), (await server.CallAsync("GET", "/v1/services/-/endpoints/digits%2Fv1")).ToJsonString());

        var again = await server.CallAsync("POST", $"/v1/services/{id}/endpoints", read.ToJsonString());
        Assert.True((bool)again["replaced"]!);
        Assert.Equal("2", (string)again["revision"]!);
        var gone = await server.CallAsync("DELETE", $"/v1/services/{id}/endpoints/digits/v1?expected_revision=2");
        Assert.Equal("3", (string)gone["revision"]!);
        var (status, error) = await server.SendAsync("GET", $"/v1/services/{id}/endpoints/digits/v1");
        Assert.Equal((404, 5, "NOT_FOUND"), (status, (int)error["code"]!, (string)error["status"]!));

        var audit = await server.CallAsync("GET", $"/v1/services/{id}/audit?page_size=1");
        var entry = audit["entries"]![0]!;
        Assert.Equal(("endpoint.delete", "digits/v1", "anonymous"), ((string)entry["action"]!, (string)entry["target"]!, (string)entry["actor"]!));
        Assert.Equal("digits", (string)entry["before"]!["serving_url"]!);
    }

    [Theory]
    [InlineData("GET", "/v1/services/none", "", 404, "NOT_FOUND", "'none'")]
    [InlineData("GET", "/v1/services/-/endpoints/none", "", 404, "NOT_FOUND", "it has none")]
    [InlineData("POST", "/v1/services/-/endpoints", "{", 400, "INVALID_ARGUMENT", "no Endpoint")]
    [InlineData("POST", "/v1/services/-/endpoints", "[]", 400, "INVALID_ARGUMENT", "no Endpoint")]
    [InlineData("POST", "/v1/services/-/endpoints", "{\"engine\": \"custom\"}", 400, "INVALID_ARGUMENT", "engine")]
    [InlineData("POST", "/v1/services/-/endpoints", "{\"engine_type\": \"tritn\", \"serving_url\": \"a\"}", 400, "INVALID_ARGUMENT", "use one of: triton")]
    [InlineData("POST", "/v1/services/-/endpoints", "{\"engine_type\": \"custom\", \"serving_url\": \"a\", \"model_id\": \"none\"}", 400, "INVALID_ARGUMENT", "upload or register")]
    [InlineData("POST", "/v1/services/-/endpoints?expected_revision=99", Custom, 409, "ABORTED", "revision 1")]
    [InlineData("POST", "/v1/services/-/endpoints?expected_revision=x", Custom, 400, "INVALID_ARGUMENT", "'x'")]
    [InlineData("POST", "/v1/services/-/endpoints?revision=1", Custom, 400, "INVALID_ARGUMENT", "expected_revision")]
    [InlineData("POST", "/v1/services/-/canaries", "{\"endpoint\": \"c\", \"weights\": [0, 0], \"load_endpoints\": [\"a\", \"b\"]}", 400, "INVALID_ARGUMENT", "sum up to 0")]
    [InlineData("PATCH", "/v1/services/-/parameters", "{\"parameters\": {\"metric_logging_freq\": 2}}", 400, "INVALID_ARGUMENT", "between 0 and 1")]
    [InlineData("GET", "/v1/models?page_size=many", "", 400, "INVALID_ARGUMENT", "page_size")]
    [InlineData("POST", "/v1/models", "{\"name\": \"m\", \"project\": \"p\", \"uri\": \"ftp://x/y\"}", 400, "INVALID_ARGUMENT", "s3://")]
    [InlineData("POST", "/v1/models", "{\"name\": \"m\", \"project\": \"p\", \"uri\": \"/x\", \"framework\": \"mxnet\"}", 400, "INVALID_ARGUMENT", "use one of: tensorflow")]
    [InlineData("POST", "/v1/models/none:publish", "", 404, "NOT_FOUND", "'none'")]
    [InlineData("PUT", "/v1/models:upload?name=m", "x", 400, "INVALID_ARGUMENT", "project is missing")]
    public async Task Errors_HaveOneShapeAndSayHowToMend(string method, string path, string body, int status, string name, string text)
    {
        await using var server = await ControlServer.StartAsync();
        await server.CallAsync("POST", "/v1/services", "{}");
        var (actual, error) = await server.SendAsync(method, path, body.Length == 0 ? null : body);
        Assert.True(actual == status, $"{actual} {error.ToJsonString()}");
        Assert.Equal(name, (string)error["status"]!);
        Assert.Contains(text, (string)error["message"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Paths_ThatAreNone_AnswerAsTheEndpointsDo()
    {
        await using var server = await ControlServer.StartAsync();
        var (status, body) = await server.SendAsync("GET", "/none");
        Assert.Equal((404, "Not Found"), (status, (string)body["detail"]!));
        (status, body) = await server.SendAsync("DELETE", "/v1/services");
        Assert.Equal((405, "UNIMPLEMENTED"), (status, (string)body["status"]!));
    }

    [Fact]
    public async Task Records_OfTheOtherKinds_AreWrittenReadAndRemoved()
    {
        await using var server = await ControlServer.StartAsync();
        await server.CallAsync("POST", "/v1/services", "{}");
        await server.CallAsync("POST", "/v1/services/-/endpoints", Custom);
        await server.CallAsync(
            "POST", "/v1/services/-/monitors", """{"base_serving_url": "auto", "engine_type": "sklearn", "monitor_project": "p"}""");
        var canary = await server.CallAsync(
            "POST", "/v1/services/-/canaries",
            """{"endpoint": "c", "weights": [0.1, 0.9], "load_endpoints": ["a/1", "a/2"], "sticky_header": "x-user"}""");
        Assert.Contains("'a/2' is not there", (string)canary["warnings"]![0]!, StringComparison.Ordinal);
        await server.CallAsync(
            "POST", "/v1/services/-/metrics",
            """{"endpoint": "a/1", "log_frequency": 0.5, "metrics": {"x": {"type": "scalar", "buckets": [2, 1]}}}""");
        var merged = await server.CallAsync(
            "POST", "/v1/services/-/metrics", """{"endpoint": "a/1", "metrics": {"e": {"type": "enum", "buckets": ["cat", "dog"]}}}""");
        Assert.True((bool)merged["replaced"]!);
        await server.CallAsync(
            "PATCH", "/v1/services/-/parameters",
            """{"parameters": {"triton_grpc_server": "h:8001", "metric_logging_freq": 0.5}, "unset": ["kafka_service_server"]}""");

        var state = await server.CallAsync("GET", "/v1/services/-/state");
        Assert.Equal(1, (int)state["monitors"]![0]!["maxVersions"]!);
        Assert.Equal(0.9, (double)state["canaries"]![0]!["weights"]![1]!);
        var metrics = state["metrics"]![0]!;
        Assert.Null(metrics["logFrequency"]);
        Assert.Equal("[1,2]", metrics["metrics"]!["x"]!["buckets"]!.ToJsonString());
        Assert.Equal("h:8001", (string)state["parameters"]!["tritonGrpcServer"]!);

        await server.CallAsync("DELETE", "/v1/services/-/metrics/a/1?variables=x&variables=e");
        await server.CallAsync("DELETE", "/v1/services/-/canaries/c");
        await server.CallAsync("DELETE", "/v1/services/-/monitors/auto");
        Assert.Empty((await server.CallAsync("GET", "/v1/services/-/monitors"))["monitors"]!.AsArray());
        Assert.Empty((await server.CallAsync("GET", "/v1/services/-/canaries"))["canaries"]!.AsArray());
        Assert.Empty((await server.CallAsync("GET", "/v1/services/-/metrics"))["metrics"]![0]!["metrics"]!.AsObject());
    }

    [Fact]
    public async Task State_Applied_IsTheWholeStateAndSaysWhatChanges()
    {
        await using var server = await ControlServer.StartAsync();
        await server.CallAsync("POST", "/v1/services", "{}");
        await server.CallAsync("POST", "/v1/services/-/endpoints", Custom);
        const string Wanted = """
            {"endpoints": [{"engineType": "custom", "servingUrl": "b"}],
             "canaries": [{"endpoint": "c", "weights": [1], "loadEndpoints": ["b"]}]}
            """;
        var dry = await server.CallAsync("PUT", "/v1/services/-/state?validate_only=true", Wanted);
        Assert.Equal(
            ["endpoint a/1", "endpoint b", "canary c"], dry["changes"]!.AsArray().Select(change => $"{change!["kind"]} {change["key"]}"));
        Assert.Equal("2", (string)(await server.CallAsync("GET", "/v1/services/-"))["revision"]!);
        await server.CallAsync("PUT", "/v1/services/-/state", Wanted);
        var state = await server.CallAsync("GET", "/v1/services/-/state");
        Assert.Equal(["b"], state["endpoints"]!.AsArray().Select(endpoint => (string)endpoint!["servingUrl"]!));
        var (status, _) = await server.SendAsync("PUT", "/v1/services/-/state", """{"endpoints": [{"engineType": "none", "servingUrl": "b"}]}""");
        Assert.Equal(400, status);
        var same = await server.CallAsync("PUT", "/v1/services/-/state", state.ToJsonString());
        Assert.Empty(same["changes"]!.AsArray());
        Assert.Equal("3", (string)same["revision"]!);
    }

    [Fact]
    public async Task Model_UploadedInPieces_IsTheSameWhenItIsRead()
    {
        await using var server = await ControlServer.StartAsync();
        var bytes = new byte[3_000_000];
        new Random(1).NextBytes(bytes);
        var sha256 = Convert.ToHexStringLower(SHA256.HashData(bytes));
        var id = await server.UploadAsync(
            bytes, $"name=a%20b&project=p%2Fq&tags=x&tags=y&file_name=m.onnx&sha256={sha256}&labels=&publish=true".Replace("&labels=", "", StringComparison.Ordinal));
        var model = await server.CallAsync("GET", $"/v1/models/{id}");
        Assert.Equal(("a b", "p/q", "onnx", "3000000", sha256), (
            (string)model["name"]!, (string)model["project"]!, (string)model["framework"]!, (string)model["sizeBytes"]!,
            (string)model["sha256"]!));
        Assert.Equal(bytes, await server.Http.GetByteArrayAsync($"/v1/models/{id}/content"));

        using var wrong = await server.Http.PutAsync(
            $"/v1/models:upload?name=w&project=p&file_name=m&sha256={new string('0', 64)}", new ByteArrayContent(bytes));
        Assert.Equal(HttpStatusCode.InternalServerError, wrong.StatusCode);
        Assert.Contains("DATA_LOSS", await wrong.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Single((await server.CallAsync("GET", "/v1/models"))["models"]!.AsArray());
        Assert.Single(Directory.GetFiles(Path.Combine(server.Server.Folder, "data", "artifacts"), "*", SearchOption.AllDirectories));

        await server.CallAsync("PATCH", $"/v1/models/{id}", """{"add_tags": ["z"], "remove_tags": ["x"], "labels": {"0": "cat"}}""");
        Assert.Single((await server.CallAsync("GET", "/v1/models?tags=z&tags=-x&only_published=true"))["models"]!.AsArray());
        Assert.Empty((await server.CallAsync("GET", "/v1/models?tags=-z"))["models"]!.AsArray());
        var (status, _) = await server.SendAsync("PATCH", $"/v1/models/{id}", """{"name": "other"}""");
        Assert.Equal(400, status);
        await server.CallAsync("POST", $"/v1/models/{id}:archive", "{}");
        Assert.Empty((await server.CallAsync("GET", "/v1/models"))["models"]!.AsArray());
        await server.CallAsync("POST", $"/v1/models/{id}:archive", """{"restore": true}""");
        await server.CallAsync("DELETE", $"/v1/models/{id}");
        Assert.Empty(Directory.GetFiles(Path.Combine(server.Server.Folder, "data", "artifacts"), "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task Artifact_OfAnEndpoint_IsKeptWhileItIsUsed()
    {
        await using var server = await ControlServer.StartAsync();
        await server.CallAsync("POST", "/v1/services", "{}");
        const string Path = "/v1/services/-/artifacts/py_code_a%2F1";
        for (var i = 0; i < 2; i++)
        {
            using var put = await server.Http.PutAsync($"{Path}?file_name=code.py", new StringContent("class Preprocess: pass"));
            Assert.Equal(HttpStatusCode.OK, put.StatusCode);
        }

        // The same contents again are no change.
        Assert.Equal("2", (string)(await server.CallAsync("GET", "/v1/services/-"))["revision"]!);
        Assert.Equal("class Preprocess: pass", await server.Http.GetStringAsync(Path));
        await server.CallAsync(
            "POST", "/v1/services/-/endpoints", """{"engine_type": "custom", "serving_url": "a/1", "preprocess_artifact": "py_code_a/1"}""");
        var (status, error) = await server.SendAsync("DELETE", Path);
        Assert.Equal((400, "FAILED_PRECONDITION"), (status, (string)error["status"]!));
        await server.CallAsync("DELETE", "/v1/services/-/endpoints/a/1");
        await server.CallAsync("DELETE", Path);
        Assert.Equal(404, (await server.SendAsync("GET", Path)).Status);
    }

    [Theory]
    [InlineData("*/*", "application/x-ndjson", "")]
    [InlineData("text/event-stream", "text/event-stream", "data: ")]
    public async Task Watch_TellsOfEveryChange(string accept, string contentType, string prefix)
    {
        await using var server = await ControlServer.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/watch");
        request.Headers.Accept.Add(MediaTypeWithQualityHeaderValue.Parse(accept));
        using var response = await server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(contentType, response.Content.Headers.ContentType!.MediaType);
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync());
        Assert.Equal("registry", (string)(await NextAsync())["kind"]!);
        var id = (string)(await server.CallAsync("POST", "/v1/services", "{}"))["id"]!;
        Assert.Equal(id, (string)(await NextAsync())["serviceId"]!);
        await server.CallAsync("POST", "/v1/services/-/endpoints", Custom);
        Assert.Equal("2", (string)(await NextAsync())["revision"]!);
        await server.UploadAsync([1]);
        Assert.Equal("registry", (string)(await NextAsync())["kind"]!);
        await server.CallAsync("DELETE", $"/v1/services/{id}");
        Assert.Equal("deleted", (string)(await NextAsync())["kind"]!);

        async Task<JsonNode> NextAsync()
        {
            string? line;
            while ((line = await lines.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(60))) is "")
            {
            }

            Assert.StartsWith(prefix, line, StringComparison.Ordinal);
            return JsonNode.Parse(line![prefix.Length..])!;
        }
    }

    [Fact]
    public async Task Description_NamesEveryPathAndType()
    {
        await using var server = await ControlServer.StartAsync();
        var document = await server.CallAsync("GET", "/openapi.json");
        Assert.Equal("3.0.3", (string)document["openapi"]!);
        var paths = document["paths"]!.AsObject();
        var endpoint = paths["/v1/services/{service_id}/endpoints"]!["post"]!;
        Assert.Equal(
            "#/components/schemas/Endpoint", (string)endpoint["requestBody"]!["content"]!["application/json"]!["schema"]!["$ref"]!);
        Assert.Equal(
            ["service_id", "expected_revision", "validate_only"], endpoint["parameters"]!.AsArray().Select(p => (string)p!["name"]!));
        var schemas = document["components"]!["schemas"]!.AsObject();
        var text = document.ToJsonString();
        foreach (var used in System.Text.RegularExpressions.Regex.Matches(text, "#/components/schemas/(\\w+)").Select(m => m.Groups[1].Value).Distinct())
            Assert.True(schemas.ContainsKey(used), used);
        var ids = paths.SelectMany(path => path.Value!.AsObject()).Select(operation => (string)operation.Value!["operationId"]!).ToList();
        Assert.Equal(ids.Count, ids.Distinct().Count());
    }
}
