using Google.Protobuf;
using Sluice.Cli.Control;
using Sluice.Cli.Output;
using Sluice.Protocol.Control.V1;

namespace Sluice.Cli.Tests;

public sealed class TextTests
{
    [Theory]
    [InlineData("""{ "platform": "\"onnxruntime_onnx\"" }""", "platform=\"onnxruntime_onnx\"")]
    [InlineData("""{ "a": { "b": true, "c": 4 } }""", "a.b=true", "a.c=4")]
    [InlineData("""{ "a": { "c": [ 1, 2, [ 3 ] ] } }""", "a.c=[1,2,[3]]")]
    [InlineData("""{ "a": 2 }""", "a=1", "a: 2")]
    [InlineData("""{ "a": "some words", "n": null }""", "a=some words", "n=null")]
    [InlineData("""{ "a": { "x": 1 } }""", "a={\"x\": 1}")]
    [InlineData("""{ "a": { "x": 1, "y": "b" } }""", "a={x=1, y=b}")]
    [InlineData("""{ "a": 1, "b": 2 }""", "# comment\na=1\nb=2")]
    public void AuxiliaryWords_AreTyped_AndNested(string expected, params string[] words) =>
        Assert.Equal(expected, JsonFormatter.Default.Format(HoconReader.Read(words)));

    [Fact]
    public void AuxiliaryWord_WithoutAValue_IsRefused() =>
        Assert.Contains("must look like key=value", Assert.Throws<CommandException>(() => HoconReader.Read(["config.pbtxt"])).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("a", "'a'")]
    [InlineData("it's", "\"it's\"")]
    [InlineData("a\"b'c\\\n", "'a\"b\\'c\\\\\\n'")]
    public void Repr_IsPythons(string text, string repr) => Assert.Equal(repr, PythonText.Repr(text));

    [Fact]
    public void Lists_OfNumbers_AreIndentedAsTheOriginalPrintsThem()
    {
        using var output = new StringWriter();
        var canary = new Canary { Endpoint = "c", Weights = { 0.1, 1 }, LoadEndpoints = { "a", "b" } };
        var endpoint = JsonParser.Default.Parse<Endpoint>("""{"engine_type": "triton", "input_size": [[1, -1]], "auxiliary_cfg": {"p": [2]}}""");
        new CliOutput(output, TextWriter.Null, isJson: false, isTerminal: false).Block("Canary:", json => json.WriteMap([canary], item => item.Endpoint, RecordJson.Write));
        new CliOutput(output, TextWriter.Null, isJson: false, isTerminal: false).Block("Endpoints:", json => json.Write(endpoint));
        var lines = output.ToString();
        Assert.StartsWith(
            """
            Canary:
            {
              "c": {
                "endpoint": "c",
                "weights": [
                  0.1,
                  1.0
                ],
                "load_endpoints": [
                  "a",
                  "b"
                ],
                "load_endpoint_prefix": null
              }
            }

            """, lines, StringComparison.Ordinal);
        Assert.Contains("  \"input_size\": [\n    [\n      1,\n      -1\n    ]\n  ],\n", lines, StringComparison.Ordinal);
        Assert.Contains("  \"auxiliary_cfg\": {\n    \"p\": [\n      2\n    ]\n  }\n", lines, StringComparison.Ordinal);
    }

    [Fact]
    public void Yaml_OfAllRecords_ReadsBackEqual()
    {
        var state = JsonParser.Default.Parse<DesiredState>(
            """
            {"endpoints": [{"engine_type": "triton", "serving_url": "m", "version": "1", "model_id": "007", "input_size": [[1, -1], [2]],
              "input_name": ["true", "null"], "auxiliary_cfg": {"a": {"b": "\"q\"", "c": 1.5, "d": [true, null]}}},
              {"engine_type": "custom", "serving_url": "t", "auxiliary_cfg": "max_batch_size: 8\nname: \"x\"\n"}],
             "monitors": [{"base_serving_url": "auto", "engine_type": "sklearn", "max_versions": 2, "monitor_tags": ["-a", "1"],
              "version_preprocess_artifacts": {"2": "code"}}],
             "canaries": [{"endpoint": "c", "weights": [0.1, 0.9], "load_endpoint_prefix": "m/"}],
             "metrics": [{"endpoint": "m/*", "log_frequency": 0.5, "metrics": {"x0": {"type": "scalar", "buckets": [0, 0.5]}}}],
             "parameters": {"serving_base_url": "http://x:8080/serve", "metric_logging_freq": 1}}
            """);
        var yaml = YamlMessages.Write(state);
        Assert.Equal(state, YamlMessages.Read<DesiredState>(yaml, "f"));
        Assert.Contains("version: \"1\"", yaml, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("endpoint: []", "'endpoint' is no field of DesiredState; it has: service, revision, endpoints")]
    [InlineData("endpoints: [", "f:")]
    [InlineData("endpoints:\n- engine_type: {}\n", "f:")]
    public void WrongYaml_SaysWhere(string text, string message) =>
        Assert.Contains(message, Assert.Throws<CommandException>(() => YamlMessages.Read<DesiredState>(text, "f")).Message, StringComparison.Ordinal);

    [Fact]
    public void PlainYaml_OfPeople_IsTypedByTheContract()
    {
        var state = YamlMessages.Read<DesiredState>(
            "endpoints:\n- engine_type: triton\n  serving_url: m\n  version: 1\n  model_id: 123\n  input_size: [[1, 28]]\nparameters: {metric_logging_freq: 1}\n", "f");
        Assert.Equal(("1", "123", 28), (state.Endpoints[0].Version, state.Endpoints[0].ModelId, state.Endpoints[0].InputSize[0].Values[1].NumberValue));
    }
}
