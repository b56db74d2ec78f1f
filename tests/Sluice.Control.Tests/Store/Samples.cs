using Sluice.Control.Records;

namespace Sluice.Control.Tests.Store;

/// <summary>Records for tests.</summary>
internal static class Samples
{
    public static readonly DateTimeOffset Then = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    public static EndpointSpec Endpoint { get; } = new()
    {
        EngineType = "triton",
        ServingUrl = "digits",
        ModelId = "abc",
        Version = "v1.10",
        PreprocessArtifact = "py_code_digits",
        InputSize = [[1, 28, 28], []],
        InputType = ["float32", "object"],
        InputName = ["x", "text"],
        OutputSize = [[-1, 10]],
        OutputType = ["float32"],
        OutputName = ["y"],
        AuxiliaryCfg = """{"platform":"\"onnxruntime_onnx\"","dynamic_batching":{"preferred_batch_size":[1,2]}}""",
        ServesLatest = true,
        RemoteGrpcServer = "host:8001",
    };

    public static ModelRecord Model(string name, string project = "p", params string[] tags) => new()
    {
        Id = Guid.NewGuid().ToString("n"),
        Name = name,
        Project = project,
        Tags = ValueList.From(tags),
        Uri = "file:///none",
        Labels = new([KeyValuePair.Create("0", "cat")]),
    };

    public static DesiredState FullState(ServiceRecord service) => new()
    {
        Service = service,
        Endpoints = new([KeyValuePair.Create("digits/v1.10", Endpoint)]),
        Monitors = new(
        [
            KeyValuePair.Create("auto", new MonitorSpec
            {
                BaseServingUrl = "auto",
                EngineType = "sklearn",
                MonitorProject = "p",
                MonitorName = "^m.*$",
                MonitorTags = ["a", "__$not", "b"],
                OnlyPublished = true,
                MaxVersions = 3,
                InputSize = [[-1, 2]],
                InputType = ["float64"],
                InputName = ["x"],
                AuxiliaryCfg = "\"max_batch_size: 4\"",
                VersionPreprocessArtifacts = new([KeyValuePair.Create(2L, "py_code_2")]),
            }),
        ]),
        Canaries = new(
        [
            KeyValuePair.Create("c", new CanarySpec { Endpoint = "c", Weights = [0.1, 0.9], LoadEndpointPrefix = "m/", StickyHeader = "x-user" }),
        ]),
        Metrics = new(
        [
            KeyValuePair.Create("m/*", new MetricSpec
            {
                Endpoint = "m/*",
                LogFrequency = 0.25,
                Metrics = new(
                [
                    KeyValuePair.Create("x", new MetricVariable { Type = "scalar", Bounds = [0.5, 1] }),
                    KeyValuePair.Create("e", new MetricVariable { Type = "enum", Values = ["cat", "dog"] }),
                    KeyValuePair.Create("v", new MetricVariable { Type = "value" }),
                ]),
            }),
        ]),
        Parameters = new ServiceParametersSpec { ServingBaseUrl = "http://h:8080/serve", TritonGrpcCompression = true, MetricLoggingFreq = 0.5 },
        AssignedVersions = [new("auto", 1, "abc", false, Then), new("auto", 2, "def", true, Then)],
        Artifacts = new(
        [
            KeyValuePair.Create("py_code_digits", new ArtifactRecord("py_code_digits", "file:///a", "ff", 3, "a.py", false, Then)),
        ]),
    };
}
