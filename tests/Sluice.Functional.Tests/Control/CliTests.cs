using System.Text.Json;

namespace Sluice.Functional.Tests.Control;

/// <summary>Every verb and option of spec clearml §1 against a real server: lines, JSON blocks, exit codes, faults.</summary>
public sealed class CliTests : IAsyncLifetime
{
    private ControlledServer _server = null!;

    public async Task InitializeAsync() => _server = await ControlledServer.StartAsync();

    public async Task DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task Services_AreCreated_Listed_AndChosen()
    {
        Assert.Contains("No running services found", await _server.DoAsync("list"), StringComparison.Ordinal);
        Assert.Contains("Could not find any valid control tasks", await _server.FailAsync(1, "model", "list"), StringComparison.Ordinal);
        await _server.CreateServiceAsync("it's");
        var first = _server.ServiceId;
        _server.ServiceId = "";
        var created = await _server.DoAsync("create", "--tags", "a", "b", "--project", "mine");
        Assert.Matches("^clearml-serving - CLI for launching ClearML serving engine\nNew Serving Service created: id=[0-9a-f]{32}\n$", created);
        var second = created.Trim()[^32..];
        var lines = (await _server.DoAsync("list")).Split('\n');
        Assert.Contains($"{{'name': \"it's\", 'tags': [], 'id': '{first}', 'project': 'DevOps'}}", lines);
        Assert.Contains($"{{'name': 'Serving Service', 'tags': ['a', 'b'], 'id': '{second}', 'project': 'mine'}}", lines);
        Assert.Equal(2, (await _server.JsonAsync("list")).GetArrayLength());

        var ambiguous = await _server.DoAsync("model", "list");
        Assert.Contains("Notice! serving service ID not provided", ambiguous, StringComparison.Ordinal);
        Assert.Contains($"using Task ID={first}", ambiguous, StringComparison.Ordinal);
        Assert.DoesNotContain("Notice!", await _server.DoAsync("model", "list", "--id", second), StringComparison.Ordinal);
        Assert.Contains("nothere", await _server.FailAsync(1, "--id", "nothere", "model", "list"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Config_SetsEveryParameter_AndTakesItBack()
    {
        await _server.CreateServiceAsync();
        var output = await _server.DoAsync(
            "config", "--base-serving-url", "http://h:8080/serve", "--triton-grpc-server", "h:8001", "--kafka-metric-server", "h:9092",
            "--metric-log-freq", "0.5");
        Assert.Contains("base_serving_url=http://h:8080/serve", output, StringComparison.Ordinal);
        Assert.Contains("triton_grpc_server=h:8001", output, StringComparison.Ordinal);
        var text = await _server.DoAsync("export");
        Assert.Contains("metric_logging_freq: 0.5", text, StringComparison.Ordinal);
        Assert.Contains("kafka_service_server: \"h:9092\"", text, StringComparison.Ordinal);
        await _server.DoAsync("config");
        await _server.DoAsync("config", "--unset", "kafka-metric-server");
        Assert.DoesNotContain("kafka", await _server.DoAsync("export"), StringComparison.Ordinal);
        await _server.FailAsync(1, "config", "--metric-log-freq", "1.5");
        await _server.FailAsync(2, "config", "--metric-log-freq", "often");
        await _server.FailAsync(1, "config", "--unset", "nothing");
    }

    [Fact]
    public async Task Models_AreUploaded_ByFileFolderAndAddress_AndLed()
    {
        await _server.CreateServiceAsync();
        var folder = Directory.CreateDirectory(Path.Combine(_server.Folder, "package")).FullName;
        File.Copy(ControlledServer.Model("add_sub_int32"), Path.Combine(folder, "model.onnx"));
        var output = await _server.DoAsync("model", "upload", "--name", "f", "--project", "p", "--tags", "t1", "t2", "--publish", "--path", folder);
        Assert.Contains("Creating new Model name='f' project='p' tags=['t1', 't2']", output, StringComparison.Ordinal);
        Assert.Matches("Model created and registered, new Model ID=[0-9a-f]{32}\nPublished Model ID=", output);
        var url = await _server.JsonAsync(
            "model", "upload", "--name", "u", "--project", "p", "--framework", "onnx", "--url", new Uri(ControlledServer.Model("add_sub_int32")).ToString());
        var plain = await _server.JsonAsync(
            "model", "upload", "--name", "e", "--project", "p", "--framework", "scikit-learn", "--path", ControlledServer.Model("add_sub_int32"),
            "--destination", Path.Combine(_server.Folder, "elsewhere"));
        Assert.Equal(("scikitlearn", true), (plain.GetProperty("framework").GetString(), plain.GetProperty("uri").GetString()!.Contains("elsewhere", StringComparison.Ordinal)));

        var id = url.GetProperty("id").GetString()!;
        await _server.DoAsync("model", "tag", id, "--add", "a", "b");
        await _server.DoAsync("model", "tag", "--model-id", id, "--remove", "a");
        await _server.DoAsync("model", "promote", id);
        Assert.Single((await _server.JsonAsync("model", "registry", "--tags", "b")).EnumerateArray());
        Assert.Equal(2, (await _server.JsonAsync("model", "registry", "--project", "p", "--published")).GetArrayLength());
        await _server.DoAsync("model", "archive", id);
        Assert.Empty((await _server.JsonAsync("model", "registry", "--tags", "b")).EnumerateArray());
        await _server.DoAsync("model", "archive", id, "--restore");
        Assert.Single((await _server.JsonAsync("model", "registry", "--tags", "b")).EnumerateArray());
        await _server.FailAsync(1, "model", "tag", id);
        await _server.FailAsync(1, "model", "promote", "nothere");
        await _server.FailAsync(1, "model", "upload", "--name", "x", "--project", "p", "--url", "ftp://h/f");
        var bare = _server.ServiceId;
        _server.ServiceId = "";
        Assert.Contains("--id", await _server.FailAsync(1, "model", "upload", "--name", "x", "--project", "p", "--path", folder), StringComparison.Ordinal);
        _server.ServiceId = bare;

        // A package is served as a file is.
        var package = (await _server.JsonAsync("model", "registry", "--name", "f"))[0].GetProperty("id").GetString()!;
        await _server.AddAsync("packed", "", package);
        await _server.AddAsync("linked", "", id);
    }

    [Fact]
    public async Task Endpoints_AreAdded_Selected_Overwritten_Removed()
    {
        await _server.CreateServiceAsync();
        var older = await _server.UploadAsync("add_sub_int32", "--tags", "x");
        var newer = await _server.UploadAsync("add_sub_int32", "--tags", "x", "y");
        var output = await _server.DoAsync("model", "add", "--engine", "triton", "--endpoint", "/e/", "--version", "1", "--project", "tests", "--tags", "x");
        Assert.Contains($"Found multiple Models, selecting the newest, id={newer}", output, StringComparison.Ordinal);
        Assert.Contains($"Serving service Task {_server.ServiceId}, Adding Model endpoint '/e/1/'", output, StringComparison.Ordinal);
        Assert.Contains("state hash=", output, StringComparison.Ordinal);
        var again = await _server.DoAsync(
            "model", "add", "--engine", "triton", "--endpoint", "e", "--version", "1", "--tags", "x", "-y", "--name", "add_sub_int32", "--project", "tests",
            "--input-size", "[-1,16]", "[-1,16]", "--input-type", "int32", "int32", "--input_name", "INPUT0", "INPUT1",
            "--output-size", "[-1,16]", "[-1,16]", "--output_type", "int32", "int32", "--output-name", "OUTPUT0", "OUTPUT1",
            "--aux-config", "platform=\"onnxruntime_onnx\"", "optimization.graph.level=1");
        Assert.Contains("was there before and is replaced", again, StringComparison.Ordinal);
        await _server.ReadyAsync("e/1");
        var list = await _server.JsonAsync("model", "list");
        var endpoint = list.GetProperty("endpoints").GetProperty("e/1");
        Assert.Equal(
            ["engine_type", "serving_url", "model_id", "version", "preprocess_artifact", "input_size", "input_type", "input_name", "output_size",
                "output_type", "output_name", "auxiliary_cfg"],
            endpoint.EnumerateObject().Select(field => field.Name));
        Assert.Equal(older, endpoint.GetProperty("model_id").GetString());
        Assert.Equal("[[-1,16],[-1,16]]", JsonSerializer.Serialize(endpoint.GetProperty("input_size")));
        Assert.Equal("\"onnxruntime_onnx\"", endpoint.GetProperty("auxiliary_cfg").GetProperty("platform").GetString());

        var text = await _server.DoAsync("model", "list");
        Assert.Contains("Endpoints:\n{\n  \"e/1\": {\n    \"engine_type\": \"triton\",\n", text, StringComparison.Ordinal);
        Assert.Contains("Model Monitoring:\n{}\nCanary:\n{}\n", text, StringComparison.Ordinal);

        await _server.FailAsync(1, "model", "add", "--engine", "nothing", "--endpoint", "e");
        await _server.FailAsync(1, "model", "add", "--engine", "triton", "--endpoint", "e", "--model-id", "nothere");
        await _server.FailAsync(1, "model", "add", "--engine", "triton", "--endpoint", "e", "--name", "nothere");
        await _server.FailAsync(1, "model", "add", "--engine", "triton", "--endpoint", "e", "--model-id", older, "--input-type", "float33", "--input-size", "1", "--input-name", "a");
        await _server.FailAsync(1, "model", "add", "--engine", "triton", "--endpoint", "e", "--model-id", older, "--input-size", "1", "--input-type", "float32", "--input-name", "a");
        await _server.FailAsync(1, "model", "add", "--engine", "custom", "--endpoint", "e", "--preprocess", "there/is/none.py");
        await _server.FailAsync(1, "model", "add", "--engine", "triton", "--endpoint", "e", "--model-id", older, "--aux-config", "noequals");

        Assert.Contains("Removed static endpoint: e/1", await _server.DoAsync("model", "remove", "--endpoint", "e/1"), StringComparison.Ordinal);
        await _server.StatusAsync("/health/endpoints/e/1", 404);
        Assert.Contains("Could not find endpoint 'e/1'", await _server.FailAsync(1, "model", "remove", "--endpoint", "e/1"), StringComparison.Ordinal);
        await _server.FailAsync(1, "model", "remove");
    }

    [Fact]
    public async Task CodeOfEndpoints_IsStored_AndNamesDoNotClash()
    {
        await _server.CreateServiceAsync();
        var file = Path.Combine(_server.Folder, "preprocess.py");
        await File.WriteAllTextAsync(file, "class Preprocess:\n    pass\n");
        var folder = Directory.CreateDirectory(Path.Combine(_server.Folder, "code", "__pycache__")).Parent!.FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "__init__.py"), "class Preprocess:\n    pass\n");
        await _server.DoAsync("model", "add", "--engine", "custom", "--endpoint", "a", "--version", "b", "--preprocess", file);
        await _server.DoAsync("model", "add", "--engine", "custom", "--endpoint", "a_b", "--preprocess", folder);
        var endpoints = (await _server.JsonAsync("model", "list")).GetProperty("endpoints");
        var (first, second) = (Code("a/b"), Code("a_b"));
        Assert.Equal("py_code_a_b", first);
        Assert.NotEqual(first, second);

        string Code(string key) => endpoints.GetProperty(key).GetProperty("preprocess_artifact").GetString()!;
    }

    [Fact]
    public async Task Canaries_AndAutoUpdates_AreEdited_AndRefusedWhenWrong()
    {
        await _server.CreateServiceAsync();
        var model = await _server.UploadAsync("add_sub_int32");
        await _server.AddAsync("m", "1", model);
        Assert.Contains(
            $"Serving service Task {_server.ServiceId}, Adding canary endpoint '/c/'",
            await _server.DoAsync("model", "canary", "--endpoint", "c", "--weights", "1", "--input-endpoints", "m/1"), StringComparison.Ordinal);
        Assert.Contains("was there before and is replaced", await _server.DoAsync("model", "canary", "--endpoint", "c", "--weights", "0.1", "0.9", "--input-endpoints-prefix", "m/"), StringComparison.Ordinal);
        var canary = (await _server.JsonAsync("model", "list")).GetProperty("canary").GetProperty("c");
        Assert.Equal("""{"endpoint":"c","weights":[0.1,0.9],"load_endpoints":[],"load_endpoint_prefix":"m/"}""", JsonSerializer.Serialize(canary));
        await _server.FailAsync(1, "model", "canary", "--endpoint", "d", "--input-endpoint-prefix", "m/");
        await _server.FailAsync(1, "model", "canary", "--endpoint", "d", "--weights", "1", "--input-endpoints", "m/1", "m/2");
        await _server.FailAsync(1, "model", "canary", "--endpoint", "d", "--weights", "0", "0", "--input-endpoints", "m/1", "m/2");
        await _server.FailAsync(1, "model", "canary", "--endpoint", "d", "--weights", "-1", "2", "--input-endpoints", "m/1", "m/2");
        await _server.FailAsync(1, "model", "canary", "--endpoint", "d", "--weights", "1", "--input-endpoints", "m/1", "--input-endpoint-prefix", "m");
        await _server.FailAsync(1, "model", "canary", "--weights", "1", "--input-endpoints", "m/1");
        Assert.Contains("Warning: ", await _server.DoAsync("model", "canary", "--endpoint", "d", "--weights", "1", "--input-endpoints", "nothere"), StringComparison.Ordinal);
        Assert.Contains("Removed canary endpoint: d", await _server.DoAsync("model", "remove", "--endpoint", "d"), StringComparison.Ordinal);

        await _server.FailAsync(1, "model", "auto-update", "--engine", "triton", "--endpoint", "a");
        await _server.FailAsync(1, "model", "auto-update", "--engine", "triton", "--project", "tests");
        await _server.FailAsync(1, "model", "auto-update", "--engine", "nothing", "--endpoint", "a", "--project", "tests");
        await _server.DoAsync("model", "auto-update", "--engine", "triton", "--endpoint", "a", "--project", "tests", "--max-versions", "3", "--published", "--tags", "t");
        var monitor = (await _server.JsonAsync("model", "list")).GetProperty("model_monitoring").GetProperty("a");
        Assert.Equal(
            ["base_serving_url", "engine_type", "monitor_project", "monitor_name", "monitor_tags", "only_published", "max_versions", "input_size",
                "input_type", "input_name", "output_size", "output_type", "output_name", "preprocess_artifact", "auxiliary_cfg"],
            monitor.EnumerateObject().Select(field => field.Name));
        Assert.Contains("was there before and is replaced", await _server.DoAsync("model", "auto-update", "--engine", "triton", "--endpoint", "a", "--project", "tests"), StringComparison.Ordinal);
        Assert.Equal(1, (await _server.JsonAsync("model", "list")).GetProperty("model_monitoring").GetProperty("a").GetProperty("max_versions").GetInt32());
        await _server.ReadyAsync("a/1");
        Assert.Contains("\"a/1\": {", await _server.DoAsync("model", "list"), StringComparison.Ordinal);
        Assert.Contains("Removed model monitoring endpoint: a", await _server.DoAsync("model", "remove", "--endpoint", "a"), StringComparison.Ordinal);
        await _server.StatusAsync("/health/endpoints/a/1", 404);
    }

    [Fact]
    public async Task Metrics_AreMerged_Replaced_Removed()
    {
        await _server.CreateServiceAsync();
        await _server.AddAsync("m", "1", await _server.UploadAsync("add_sub_int32"));
        await _server.DoAsync("metrics", "add", "--endpoint", "/m/1/", "--log-freq", "0.5", "--variable-scalar", "x0=0,0.5,1", "x1=0/1/4", "--variable-enum", "animal=cat, dog");
        var output = await _server.DoAsync("metrics", "add", "--endpoint", "m/1", "--variable-value", "y", "--variable-counter", "n");
        Assert.Contains("were there before and are updated", output, StringComparison.Ordinal);
        await _server.DoAsync("metrics", "add", "--endpoint", "m/*", "--variable-value", "z");
        var metrics = await _server.JsonAsync("metrics", "list");
        var one = metrics.GetProperty("m/1");
        Assert.Equal(JsonValueKind.Null, one.GetProperty("log_frequency").ValueKind);
        Assert.Equal("""{"type":"scalar","buckets":[0.0,0.5,1.0]}""", JsonSerializer.Serialize(one.GetProperty("metrics").GetProperty("x0")));
        Assert.Equal("""{"type":"scalar","buckets":[0.25,0.5,0.75,1.0]}""", JsonSerializer.Serialize(one.GetProperty("metrics").GetProperty("x1")));
        Assert.Equal("""{"type":"enum","buckets":["cat","dog"]}""", JsonSerializer.Serialize(one.GetProperty("metrics").GetProperty("animal")));
        Assert.Equal("""{"type":"value","buckets":null}""", JsonSerializer.Serialize(one.GetProperty("metrics").GetProperty("y")));
        Assert.Equal("counter", one.GetProperty("metrics").GetProperty("n").GetProperty("type").GetString());
        Assert.Contains("Logged Metrics:\n{\n", await _server.DoAsync("metrics", "list"), StringComparison.Ordinal);

        await _server.FailAsync(1, "metrics", "remove", "--endpoint", "m/1", "--variable", "y", "nothere");
        Assert.True((await _server.JsonAsync("metrics", "list")).GetProperty("m/1").GetProperty("metrics").TryGetProperty("y", out _));
        await _server.DoAsync("metrics", "remove", "--endpoint", "m/1", "--variable", "y", "n");
        Assert.Equal(3, (await _server.JsonAsync("metrics", "list")).GetProperty("m/1").GetProperty("metrics").EnumerateObject().Count());
        await _server.DoAsync("metrics", "add", "--endpoint", "m/1", "--variable-value", "only", "--replace");
        Assert.Single((await _server.JsonAsync("metrics", "list")).GetProperty("m/1").GetProperty("metrics").EnumerateObject());
        await _server.DoAsync("metrics", "remove", "--endpoint", "m/1");
        await _server.FailAsync(1, "metrics", "remove", "--endpoint", "m/1");
        await _server.FailAsync(1, "metrics", "remove");
        await _server.FailAsync(1, "metrics", "add", "--endpoint", "nothere", "--variable-value", "x");
        await _server.FailAsync(1, "metrics", "add", "--endpoint", "m/1", "--variable-scalar", "x");
        await _server.FailAsync(1, "metrics", "add", "--endpoint", "m/1", "--variable-scalar", "x=1/0/4");
        await _server.FailAsync(2, "metrics", "add", "--variable-value", "x");
    }

    [Fact]
    public async Task State_IsExported_Changed_AndApplied()
    {
        await _server.CreateServiceAsync();
        await _server.AddAsync("m", "1", await _server.UploadAsync("add_sub_int32"));
        await _server.DoAsync("model", "canary", "--endpoint", "c", "--weights", "0.1", "0.9", "--input-endpoint-prefix", "m/");
        var file = Path.Combine(_server.Folder, "state.yaml");
        await _server.DoAsync("export", "--file", file);
        Assert.Contains("Nothing to change", await _server.DoAsync("apply", "-f", file), StringComparison.Ordinal);
        var text = await File.ReadAllTextAsync(file);
        await File.WriteAllTextAsync(file, text.Replace("0.1", "0.3", StringComparison.Ordinal).Replace("version: \"1\"", "version: \"2\"", StringComparison.Ordinal));
        var dry = await _server.DoAsync("apply", "--file", file, "--dry-run");
        Assert.Contains("- endpoint m/1\n", dry, StringComparison.Ordinal);
        Assert.Contains("+ endpoint m/2\n", dry, StringComparison.Ordinal);
        Assert.Contains("~ canary c\n    weights: ", dry, StringComparison.Ordinal);
        Assert.Contains("3 records would change", dry, StringComparison.Ordinal);
        await _server.ReadyAsync("m/1");
        Assert.Contains("3 records changed", await _server.DoAsync("apply", "--file", file), StringComparison.Ordinal);
        await _server.ReadyAsync("m/2");
        await _server.StatusAsync("/health/endpoints/m/1", 404);
        await _server.FailAsync(1, "apply", "-f", "there/is/none");
        await File.WriteAllTextAsync(file, "endpoints: [{engine_type: nothing, serving_url: x}]");
        await _server.FailAsync(1, "apply", "-f", file);
        await _server.FailAsync(2, "apply");
    }

    [Fact]
    public async Task Doctor_AndStatus_TellHowThingsStand()
    {
        await _server.CreateServiceAsync();
        await _server.AddAsync("m", "1", await _server.UploadAsync("add_sub_int32"));
        Assert.Matches("m/1  \\S+  ready\n", await _server.DoAsync("endpoint", "status"));
        Assert.Matches("m/1  \\S+  ready\n", await _server.DoAsync("endpoint", "status", "--wait", "30", "--endpoint", "m/1"));
        Assert.Contains("ok   server and store: ", await _server.DoAsync("doctor"), StringComparison.Ordinal);
        await _server.DoAsync("model", "add", "--engine", "vllm", "--endpoint", "bad");
        Assert.Matches("bad  \\S+  failed: .*no engine 'vllm'", await _server.FailAsync(1, "endpoint", "status", "--wait", "30"));
        Assert.Contains("FAIL endpoint bad on ", await _server.FailAsync(1, "doctor"), StringComparison.Ordinal);
    }
}
