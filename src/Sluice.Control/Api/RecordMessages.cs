using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Sluice.Control.Records;
using Sluice.Inference;
using Wire = Sluice.Protocol.Control.V1;

namespace Sluice.Control.Api;

/// <summary>Records as messages of the contract and back. Reading normalises: slashes at the ends of names go.</summary>
/// <remarks>Reading throws <see cref="InferenceException"/> with <see cref="InferenceCode.InvalidArgument"/> for what no record can
/// hold; whether the record makes sense is for the rules to say.</remarks>
public static class RecordMessages
{
    /// <summary>A record as a message.</summary>
    public static Wire.Endpoint ToMessage(this EndpointSpec spec)
    {
        var message = new Wire.Endpoint
        {
            EngineType = spec.EngineType,
            ServingUrl = spec.ServingUrl,
            Version = spec.Version,
            InputSize = { Sizes(spec.InputSize) },
            InputType = { spec.InputType },
            InputName = { spec.InputName },
            OutputSize = { Sizes(spec.OutputSize) },
            OutputType = { spec.OutputType },
            OutputName = { spec.OutputName },
            AuxiliaryCfg = ToValue(spec.AuxiliaryCfg),
            ServesLatest = spec.ServesLatest,
        };
        if (spec.ModelId is not null)
            message.ModelId = spec.ModelId;
        if (spec.PreprocessArtifact is not null)
            message.PreprocessArtifact = spec.PreprocessArtifact;
        if (spec.RemoteGrpcServer is not null)
            message.RemoteGrpcServer = spec.RemoteGrpcServer;
        return message;
    }

    /// <summary>A message as a record.</summary>
    public static EndpointSpec ToSpec(this Wire.Endpoint message) => new()
    {
        EngineType = message.EngineType,
        ServingUrl = message.ServingUrl.Trim('/'),
        ModelId = Optional(message.ModelId),
        Version = message.Version.Trim('/'),
        PreprocessArtifact = Optional(message.PreprocessArtifact),
        InputSize = Sizes(message.InputSize, "input_size"),
        InputType = ValueList.From(message.InputType),
        InputName = ValueList.From(message.InputName),
        OutputSize = Sizes(message.OutputSize, "output_size"),
        OutputType = ValueList.From(message.OutputType),
        OutputName = ValueList.From(message.OutputName),
        AuxiliaryCfg = FromValue(message.AuxiliaryCfg),
        ServesLatest = message.ServesLatest,
        RemoteGrpcServer = Optional(message.RemoteGrpcServer),
    };

    /// <summary>A record as a message.</summary>
    public static Wire.Monitor ToMessage(this MonitorSpec spec)
    {
        var message = new Wire.Monitor
        {
            BaseServingUrl = spec.BaseServingUrl,
            EngineType = spec.EngineType,
            MonitorTags = { spec.MonitorTags },
            OnlyPublished = spec.OnlyPublished,
            InputSize = { Sizes(spec.InputSize) },
            InputType = { spec.InputType },
            InputName = { spec.InputName },
            OutputSize = { Sizes(spec.OutputSize) },
            OutputType = { spec.OutputType },
            OutputName = { spec.OutputName },
            AuxiliaryCfg = ToValue(spec.AuxiliaryCfg),
            ServesLatest = spec.ServesLatest,
        };
        if (spec.MonitorProject is not null)
            message.MonitorProject = spec.MonitorProject;
        if (spec.MonitorName is not null)
            message.MonitorName = spec.MonitorName;
        if (spec.MaxVersions is { } most)
            message.MaxVersions = most;
        if (spec.PreprocessArtifact is not null)
            message.PreprocessArtifact = spec.PreprocessArtifact;
        foreach (var (version, artifact) in spec.VersionPreprocessArtifacts)
            message.VersionPreprocessArtifacts[version] = artifact;
        return message;
    }

    /// <summary>A message as a record.</summary>
    public static MonitorSpec ToSpec(this Wire.Monitor message) => new()
    {
        BaseServingUrl = message.BaseServingUrl.Trim('/'),
        EngineType = message.EngineType,
        MonitorProject = Optional(message.MonitorProject),
        MonitorName = Optional(message.MonitorName),
        MonitorTags = ValueList.From(message.MonitorTags),
        OnlyPublished = message.OnlyPublished,
        MaxVersions = message.HasMaxVersions ? message.MaxVersions : null,
        InputSize = Sizes(message.InputSize, "input_size"),
        InputType = ValueList.From(message.InputType),
        InputName = ValueList.From(message.InputName),
        OutputSize = Sizes(message.OutputSize, "output_size"),
        OutputType = ValueList.From(message.OutputType),
        OutputName = ValueList.From(message.OutputName),
        PreprocessArtifact = Optional(message.PreprocessArtifact),
        AuxiliaryCfg = FromValue(message.AuxiliaryCfg),
        VersionPreprocessArtifacts = new(message.VersionPreprocessArtifacts),
        ServesLatest = message.ServesLatest,
    };

    /// <summary>A record as a message.</summary>
    public static Wire.Canary ToMessage(this CanarySpec spec)
    {
        var message = new Wire.Canary { Endpoint = spec.Endpoint, Weights = { spec.Weights }, LoadEndpoints = { spec.LoadEndpoints } };
        if (spec.LoadEndpointPrefix is not null)
            message.LoadEndpointPrefix = spec.LoadEndpointPrefix;
        if (spec.StickyHeader is not null)
            message.StickyHeader = spec.StickyHeader;
        if (spec.StickyKey is not null)
            message.StickyKey = spec.StickyKey;
        return message;
    }

    /// <summary>A message as a record.</summary>
    public static CanarySpec ToSpec(this Wire.Canary message) => new()
    {
        Endpoint = message.Endpoint.Trim('/'),
        Weights = ValueList.From(message.Weights),
        LoadEndpoints = ValueList.From(message.LoadEndpoints.Select(key => key.Trim('/'))),
        LoadEndpointPrefix = Optional(message.LoadEndpointPrefix.TrimStart('/')),
        StickyHeader = Optional(message.StickyHeader),
        StickyKey = Optional(message.StickyKey),
    };

    /// <summary>A record as a message.</summary>
    public static Wire.MetricLogging ToMessage(this MetricSpec spec)
    {
        var message = new Wire.MetricLogging { Endpoint = spec.Endpoint };
        if (spec.LogFrequency is { } frequency)
            message.LogFrequency = frequency;
        foreach (var (name, variable) in spec.Metrics)
        {
            var buckets = variable.Bounds.Select(Value.ForNumber).Concat(variable.Values.Select(Value.ForString)).ToList();
            message.Metrics[name] = new Wire.MetricVariable
            {
                Type = variable.Type,
                Buckets = buckets.Count == 0 ? null : new ListValue { Values = { buckets } },
            };
        }

        return message;
    }

    /// <summary>A message as a record.</summary>
    public static MetricSpec ToSpec(this Wire.MetricLogging message) => new()
    {
        Endpoint = message.Endpoint.Trim('/'),
        LogFrequency = message.HasLogFrequency ? message.LogFrequency : null,
        Metrics = new(message.Metrics.Select(pair => KeyValuePair.Create(pair.Key, Variable(pair.Key, pair.Value)))),
    };

    /// <summary>Parameters as a message.</summary>
    public static Wire.ServiceParameters ToMessage(this ServiceParametersSpec spec)
    {
        var message = new Wire.ServiceParameters();
        if (spec.ServingBaseUrl is not null)
            message.ServingBaseUrl = spec.ServingBaseUrl;
        if (spec.TritonGrpcServer is not null)
            message.TritonGrpcServer = spec.TritonGrpcServer;
        if (spec.TritonGrpcCompression is { } compresses)
            message.TritonGrpcCompression = compresses;
        if (spec.KafkaServiceServer is not null)
            message.KafkaServiceServer = spec.KafkaServiceServer;
        if (spec.MetricLoggingFreq is { } frequency)
            message.MetricLoggingFreq = frequency;
        return message;
    }

    /// <summary>Sets the parameters that a message has.</summary>
    public static ServiceParametersSpec With(this ServiceParametersSpec spec, Wire.ServiceParameters? message) => message is null
        ? spec
        : spec with
        {
            ServingBaseUrl = message.HasServingBaseUrl ? message.ServingBaseUrl : spec.ServingBaseUrl,
            TritonGrpcServer = message.HasTritonGrpcServer ? message.TritonGrpcServer : spec.TritonGrpcServer,
            TritonGrpcCompression = message.HasTritonGrpcCompression ? message.TritonGrpcCompression : spec.TritonGrpcCompression,
            KafkaServiceServer = message.HasKafkaServiceServer ? message.KafkaServiceServer : spec.KafkaServiceServer,
            MetricLoggingFreq = message.HasMetricLoggingFreq ? message.MetricLoggingFreq : spec.MetricLoggingFreq,
        };

    internal static Value? ParseValue(string? json) => json is null ? null : JsonParser.Default.Parse<Value>(json);

    private static string? Optional(string text) => text.Length == 0 ? null : text;

    private static IEnumerable<ListValue> Sizes(ValueList<ValueList<long>> sizes) =>
        sizes.Select(size => new ListValue { Values = { size.Select(dimension => Value.ForNumber(dimension)) } });

    private static ValueList<ValueList<long>> Sizes(IEnumerable<ListValue> sizes, string field) => ValueList.From(
        sizes.Select(size => ValueList.From(size.Values.Select(value => Dimension(value, field)))));

    private static long Dimension(Value value, string field) =>
        value.KindCase == Value.KindOneofCase.NumberValue && value.NumberValue == Math.Floor(value.NumberValue) &&
        value.NumberValue is >= -1 and <= int.MaxValue
            ? (long)value.NumberValue
            : throw InferenceException.Invalid(
                $"{field} holds {value}: dimensions are whole numbers, -1 for any size, as in [[1, 28, 28]]");

    private static Value? ToValue(string? auxiliary) => auxiliary is null ? null : JsonParser.Default.Parse<Value>(auxiliary);

    private static string? FromValue(Value? value) => value?.KindCase switch
    {
        null or Value.KindOneofCase.None or Value.KindOneofCase.NullValue => null,
        Value.KindOneofCase.StringValue when string.IsNullOrWhiteSpace(value.StringValue) => null,
        Value.KindOneofCase.StructValue when value.StructValue.Fields.Count == 0 => null,
        Value.KindOneofCase.StringValue or Value.KindOneofCase.StructValue =>
            RecordJson.Canonical(JsonFormatter.Default.Format(value)),
        _ => throw InferenceException.Invalid(
            "auxiliary_cfg must be an object with nested keys or the text of a config.pbtxt, not a list, a number or a boolean"),
    };

    private static MetricVariable Variable(string name, Wire.MetricVariable message)
    {
        var buckets = message.Buckets?.Values ?? [];
        return message.Type switch
        {
            "enum" => new MetricVariable { Type = message.Type, Values = ValueList.From(buckets.Select(EnumValue)) },
            "scalar" => new MetricVariable { Type = message.Type, Bounds = ValueList.From(buckets.Select(value => Bound(name, value))) },
            _ => new MetricVariable { Type = message.Type },
        };
    }

    private static string EnumValue(Value value) => value.KindCase switch
    {
        Value.KindOneofCase.StringValue => value.StringValue.Trim(),
        _ => JsonFormatter.Default.Format(value),
    };

    private static double Bound(string name, Value value) => value.KindCase == Value.KindOneofCase.NumberValue
        ? value.NumberValue
        : throw InferenceException.Invalid($"variable '{name}': bucket {value} is no number; a scalar's buckets are upper bounds");
}
