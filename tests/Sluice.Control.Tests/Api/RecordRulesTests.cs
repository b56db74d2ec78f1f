using Sluice.Control.Api;
using Sluice.Control.Records;
using Sluice.Control.Tests.Store;
using Sluice.Inference;

namespace Sluice.Control.Tests.Api;

/// <summary>What may be written, and how what may not is told.</summary>
public sealed class RecordRulesTests
{
    private static readonly DesiredState State = Samples.FullState(
        new ServiceRecord("id", "s", "p", [], Samples.Then, "1", false));

    private readonly List<string> _warnings = [];

    public static TheoryData<string, string> WrongEndpoints => new()
    {
        { """{"engine_type": "tritn", "serving_url": "a"}""", "engine 'tritn' is not known; use one of: triton, sklearn" },
        { """{"engine_type": "custom", "serving_url": ""}""", "serving_url is missing" },
        { """{"engine_type": "custom", "serving_url": "a/b/c"}""", "has 3 parts" },
        { """{"engine_type": "custom", "serving_url": "a/b", "version": "1"}""", "has 2 parts" },
        { """{"engine_type": "custom", "serving_url": "a", "version": "1/2"}""", "must not contain a slash" },
        { """{"engine_type": "custom", "serving_url": "a b"}""", "a space" },
        { """{"engine_type": "custom", "serving_url": "a//b"}""", "an empty part" },
        { """{"engine_type": "custom", "serving_url": "a/.."}""", "is . or .." },
        { """{"engine_type": "custom", "serving_url": "a", "preprocess_artifact": "none"}""", "no artifact 'none'" },
        { """{"engine_type": "sklearn", "serving_url": "a", "input_type": ["float31"]}""", "'float31' is no data type of numpy" },
        { """{"engine_type": "sklearn", "serving_url": "a", "input_type": ["int8", "int8"], "input_name": ["x"]}""", "0, 2 and 1 entries" },
        { """{"engine_type": "triton", "serving_url": "a", "input_name": ["x"]}""", "missing: input_size, input_type, output_size, output_type, output_name" },
        { Triton("\"auxiliary_cfg\": {\"input\": [{\"dims\": [1]}]}"), "use --input-size" },
        { Triton("\"auxiliary_cfg\": {\"output\": {\"0\": {\"data_type\": \"x\"}}}"), "use --output-type" },
        { Triton("\"input_name\": [\"x\", \"x\"], \"input_size\": [[1], [1]], \"input_type\": [\"int8\", \"int8\"]"), "is there 2 times" },
    };

    public static TheoryData<string, string> WrongCanaries => new()
    {
        { """{"endpoint": "c"}""", "weights are missing" },
        { """{"endpoint": "c", "weights": [1]}""", "neither input endpoints nor" },
        { """{"endpoint": "c", "weights": [1], "load_endpoints": ["a"], "load_endpoint_prefix": "a"}""", "exclude each other" },
        { """{"endpoint": "c", "weights": [1], "load_endpoints": ["a", "b"]}""", "1 weights and 2 input endpoints" },
        { """{"endpoint": "c", "weights": [-1, 2], "load_endpoints": ["a", "b"]}""", "at least 0" },
        { """{"endpoint": "c", "weights": [0, 0], "load_endpoint_prefix": "a"}""", "sum up to 0" },
        { """{"endpoint": "d", "weights": [1], "load_endpoints": ["c"]}""", "'c' is a canary itself" },
        { """{"endpoint": "d", "weights": [1], "load_endpoints": ["d"]}""", "'d' is a canary itself" },
    };

    public static TheoryData<string, string> WrongMonitors => new()
    {
        { """{"base_serving_url": "a", "engine_type": "sklearn"}""", "at least one of project, name and tags" },
        { """{"base_serving_url": "a/b", "engine_type": "sklearn", "monitor_project": "p"}""", "has 2 parts" },
        { """{"base_serving_url": "a", "engine_type": "sklearn", "monitor_project": "p", "max_versions": 0}""", "at least 1" },
        { """{"base_serving_url": "a", "engine_type": "sklearn", "monitor_name": "^(a$"}""", "no valid regular expression" },
        { """{"base_serving_url": "a", "engine_type": "x", "monitor_tags": ["t"]}""", "engine 'x' is not known" },
        { """{"base_serving_url": "a", "engine_type": "sklearn", "monitor_tags": ["t"], "version_preprocess_artifacts": {"0": "none"}}""", "versions count from 1" },
    };

    public static TheoryData<string, string> WrongMetrics => new()
    {
        { """{"endpoint": "none"}""", "no endpoint 'none'; add it first, or end the name with *" },
        { """{"endpoint": "digits/v1.10", "log_frequency": 1.5}""", "between 0 and 1" },
        { """{"endpoint": "m*", "metrics": {"x": {"type": "scalar"}}}""", "x=min/max/n" },
        { """{"endpoint": "m*", "metrics": {"x": {"type": "enum"}}}""", "x=cat,dog" },
        { """{"endpoint": "m*", "metrics": {"x": {"type": "odd"}}}""", "use scalar, enum, value or counter" },
    };

    [Theory]
    [MemberData(nameof(WrongEndpoints))]
    public void Endpoint_ThatIsWrong_IsRefused(string json, string text) =>
        Refused(text, () => RecordRules.Check(RecordJson.Read<EndpointSpec>(json), State, _warnings));

    [Theory]
    [MemberData(nameof(WrongCanaries))]
    public void Canary_ThatIsWrong_IsRefused(string json, string text) =>
        Refused(text, () => RecordRules.Check(RecordJson.Read<CanarySpec>(json), State, _warnings));

    [Theory]
    [MemberData(nameof(WrongMonitors))]
    public void Monitor_ThatIsWrong_IsRefused(string json, string text) =>
        Refused(text, () => RecordRules.Check(RecordJson.Read<MonitorSpec>(json), State, _warnings));

    [Theory]
    [MemberData(nameof(WrongMetrics))]
    public void Metric_ThatIsWrong_IsRefused(string json, string text) =>
        Refused(text, () => RecordRules.Check(RecordJson.Read<MetricSpec>(json), State, _warnings));

    [Fact]
    public void Faults_AreToldAllAtOnce()
    {
        var error = Assert.Throws<InferenceException>(() => RecordRules.Check(
            new EndpointSpec { EngineType = "x", ServingUrl = "", PreprocessArtifact = "none" }, State, _warnings));
        Assert.Contains("serving_url is missing", error.Message, StringComparison.Ordinal);
        Assert.Contains("engine 'x'", error.Message, StringComparison.Ordinal);
        Assert.Contains("no artifact 'none'", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("f4", "float32")]
    [InlineData("<i8", "int64")]
    [InlineData("float", "float64")]
    [InlineData("object", "object")]
    [InlineData("half", "float16")]
    public void Types_AreStoredUnderNumpysNames(string given, string stored) => Assert.Equal(
        [stored],
        RecordRules.Check(
            new EndpointSpec { EngineType = "custom", ServingUrl = "a", InputType = [given] }, State, _warnings).InputType);

    [Theory]
    [InlineData("\"auxiliary_cfg\": {\"input\": [{\"format\": \"FORMAT_NCHW\"}], \"default_model_filename\": \"m.bin\"}")]
    [InlineData("\"auxiliary_cfg\": \"max_batch_size: 4\"")]
    [InlineData("\"serves_latest\": true")]
    public void Endpoint_WithSettingsBesideItsTensors_IsAccepted(string field)
    {
        RecordRules.Check(RecordJson.Read<EndpointSpec>(Triton(field)), State, _warnings);
        Assert.Empty(_warnings);
    }

    [Fact]
    public void Endpoint_WithoutModelOrCode_IsWarnedOf()
    {
        RecordRules.Check(new EndpointSpec { EngineType = "sklearn", ServingUrl = "a" }, State, _warnings);
        RecordRules.Check(new EndpointSpec { EngineType = "custom_async", ServingUrl = "b" }, State, _warnings);
        Assert.Equal(2, _warnings.Count);
        Assert.Contains("has no model", _warnings[0], StringComparison.Ordinal);
        Assert.Contains("has no code", _warnings[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Buckets_AreBroughtIntoOrder()
    {
        var spec = new MetricSpec
        {
            Endpoint = "*",
            Metrics = new([KeyValuePair.Create("x", new MetricVariable { Type = "scalar", Bounds = [2, 1, 2] })]),
        };
        Assert.Equal([1, 2], RecordRules.Check(spec, State, _warnings).Metrics["x"].Bounds);
    }

    [Theory]
    [InlineData("http://h:8080/serve", "h:1", "k:9092,l:9092", 0.5, "")]
    [InlineData("h:8080", null, null, null, "serving_base_url")]
    [InlineData(null, "h", null, null, "triton_grpc_server")]
    [InlineData(null, null, "k:x", null, "kafka_service_server")]
    [InlineData(null, null, null, -0.1, "metric_logging_freq")]
    public void Parameters_AreChecked(string? url, string? triton, string? kafka, double? frequency, string wrong)
    {
        var spec = new ServiceParametersSpec
        {
            ServingBaseUrl = url,
            TritonGrpcServer = triton,
            KafkaServiceServer = kafka,
            MetricLoggingFreq = frequency,
        };
        if (wrong.Length == 0)
            Assert.Equal(spec, RecordRules.Check(spec));
        else
            Refused(wrong, () => RecordRules.Check(spec));
    }

    [Fact]
    public void Messages_OfRecords_AreReadAsTheyWereWritten()
    {
        Assert.Equal(Samples.Endpoint, Samples.Endpoint.ToMessage().ToSpec());
        Assert.All(State.Monitors.Values, spec => Assert.Equal(spec, spec.ToMessage().ToSpec()));
        Assert.All(State.Canaries.Values, spec => Assert.Equal(spec, spec.ToMessage().ToSpec()));
        Assert.All(State.Metrics.Values, spec => Assert.Equal(spec, spec.ToMessage().ToSpec()));
        Assert.Equal(State.Parameters, new ServiceParametersSpec().With(State.Parameters.ToMessage()));
    }

    [Fact]
    public void Json_OfARecord_HasTheFieldsInTheirOrder()
    {
        var json = RecordJson.Write(Samples.Endpoint);
        Assert.StartsWith("{\"engine_type\":\"triton\",\"serving_url\":\"digits\",\"model_id\":\"abc\",\"version\":\"v1.10\"", json, StringComparison.Ordinal);
        Assert.Contains("\"auxiliary_cfg\":{\"platform\":\"\\\"onnxruntime_onnx\\\"\"", json, StringComparison.Ordinal);
        Assert.Equal(Samples.Endpoint, RecordJson.Read<EndpointSpec>(json));
        var sparse = RecordJson.Read<EndpointSpec>("""{"engine_type": "x", "serving_url": "y", "input_size": null, "unknown": 1}""");
        Assert.Empty(sparse.InputSize);
    }

    private static string Triton(string field)
    {
        const string Tensors = """
            "input_size": [[1]], "input_type": ["int8"], "input_name": ["x"],
            "output_size": [[1]], "output_type": ["int8"], "output_name": ["y"]
            """;
        var own = field.Contains("\"input_name\"", StringComparison.Ordinal)
            ? Tensors[Tensors.IndexOf("\"output_size\"", StringComparison.Ordinal)..]
            : Tensors;
        return $"{{\"engine_type\": \"triton\", \"serving_url\": \"a\", \"model_id\": \"m\", {own}, {field}}}";
    }

    private static void Refused(string text, Action check)
    {
        var error = Assert.Throws<InferenceException>(check);
        Assert.Equal(InferenceCode.InvalidArgument, error.Code);
        Assert.Contains(text, error.Message, StringComparison.Ordinal);
    }
}
