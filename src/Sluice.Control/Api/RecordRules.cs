using System.Text.Json.Nodes;
using Sluice.Control.Records;
using Sluice.Control.Registry;
using Sluice.Inference;

namespace Sluice.Control.Api;

/// <summary>What a record must be to be written. Collects all that is wrong and says how to mend it.</summary>
/// <remarks>Pure: models and clocks are not asked here.</remarks>
internal sealed class RecordRules
{
    private const int LongestName = 255;

    private readonly List<string> _errors = [];
    private readonly List<string> _warnings = [];

    private RecordRules()
    {
    }

    /// <summary>Checks an endpoint.</summary>
    /// <returns>The record as it is to be stored: types under numpy's own names.</returns>
    /// <exception cref="InferenceException"><see cref="InferenceCode.InvalidArgument"/> with all that is wrong.</exception>
    public static EndpointSpec Check(EndpointSpec spec, DesiredState state, ICollection<string> warnings)
    {
        var rules = new RecordRules();
        rules.CheckName("serving_url", spec.ServingUrl, most: spec.Version.Length > 0 ? 1 : 2);
        if (spec.Version.Contains('/', StringComparison.Ordinal))
            rules._errors.Add($"version '{spec.Version}' must not contain a slash");
        rules.CheckEngine(spec.EngineType);
        rules.CheckArtifact(spec.PreprocessArtifact, state);
        var types = rules.CheckTensors(
            new Tensors("input", spec.InputSize, spec.InputType, spec.InputName),
            new Tensors("output", spec.OutputSize, spec.OutputType, spec.OutputName), spec.EngineType, spec.AuxiliaryCfg);
        if (spec.ModelId is null && spec.EngineType is not (EngineNames.Custom or EngineNames.CustomAsync))
            rules._warnings.Add($"endpoint '{spec.Key}' has no model; engine {spec.EngineType} needs one to answer");
        if (spec.EngineType is EngineNames.Custom or EngineNames.CustomAsync && spec.PreprocessArtifact is null)
            rules._warnings.Add($"endpoint '{spec.Key}' has no code; engine {spec.EngineType} answers nothing without");
        rules.Finish($"endpoint '{spec.Key}'", warnings);
        return spec with { InputType = types.Inputs, OutputType = types.Outputs };
    }

    /// <summary>Checks a monitor; as with an endpoint.</summary>
    public static MonitorSpec Check(MonitorSpec spec, DesiredState state, ICollection<string> warnings)
    {
        var rules = new RecordRules();
        rules.CheckName("base_serving_url", spec.BaseServingUrl, most: 1);
        rules.CheckEngine(spec.EngineType);
        rules.CheckArtifact(spec.PreprocessArtifact, state);
        foreach (var (version, artifact) in spec.VersionPreprocessArtifacts)
        {
            if (version < 1)
                rules._errors.Add($"version_preprocess_artifacts names version {version}; versions count from 1");
            rules.CheckArtifact(artifact, state);
        }

        if (spec.MonitorProject is null && spec.MonitorName is null && spec.MonitorTags.Count == 0)
            rules._errors.Add("at least one of project, name and tags must say which models are meant");
        if (spec.MaxVersions is < 1)
            rules._errors.Add($"max_versions is {spec.MaxVersions}; it must be at least 1");
        try
        {
            _ = new NameFilter(spec.MonitorName);
        }
        catch (InferenceException error)
        {
            rules._errors.Add(error.Message);
        }

        var types = rules.CheckTensors(
            new Tensors("input", spec.InputSize, spec.InputType, spec.InputName),
            new Tensors("output", spec.OutputSize, spec.OutputType, spec.OutputName), spec.EngineType, spec.AuxiliaryCfg);
        rules.Finish($"auto-update '{spec.BaseServingUrl}'", warnings);
        return spec with { InputType = types.Inputs, OutputType = types.Outputs, MaxVersions = spec.MaxVersions ?? 1 };
    }

    /// <summary>Checks a canary; as with an endpoint.</summary>
    public static CanarySpec Check(CanarySpec spec, DesiredState state, ICollection<string> warnings)
    {
        var rules = new RecordRules();
        rules.CheckName("endpoint", spec.Endpoint, most: 2);
        var isPrefix = spec.LoadEndpointPrefix is not null;
        if (isPrefix && spec.LoadEndpoints.Count > 0)
            rules._errors.Add("input endpoints and an input endpoint prefix exclude each other; give one of them");
        else if (!isPrefix && spec.LoadEndpoints.Count == 0)
            rules._errors.Add("neither input endpoints nor an input endpoint prefix is given; give one of them");
        if (spec.Weights.Count == 0)
            rules._errors.Add("weights are missing; give one per endpoint, such as 0.1 0.9");
        else if (spec.Weights.Any(weight => !double.IsFinite(weight) || weight < 0))
            rules._errors.Add($"weights {spec.Weights} must be numbers of at least 0");
        else if (spec.Weights.Sum() <= 0)
            rules._errors.Add($"weights {spec.Weights} sum up to 0; at least one must be larger");
        if (!isPrefix && spec.Weights.Count > 0 && spec.LoadEndpoints.Count > 0 && spec.Weights.Count != spec.LoadEndpoints.Count)
            rules._errors.Add(
                $"there are {spec.Weights.Count} weights and {spec.LoadEndpoints.Count} input endpoints; give as many of one as of the other");
        foreach (var key in spec.LoadEndpoints.Where(key => state.Canaries.ContainsKey(key) || key == spec.Endpoint))
            rules._errors.Add($"input endpoint '{key}' is a canary itself; name the endpoints behind it");
        rules._warnings.AddRange(MissingArms(spec, state, before: null));
        if (state.Endpoints.ContainsKey(spec.Endpoint))
            rules._warnings.Add($"'{spec.Endpoint}' is an endpoint too; calls go to the canary");
        rules.Finish($"canary '{spec.Endpoint}'", warnings);
        return spec;
    }

    /// <summary>Says which canaries lose endpoints by an edit.</summary>
    public static void NoteLostArms(DesiredState before, DesiredState after, ICollection<string> warnings)
    {
        foreach (var canary in after.Canaries.Values)
        {
            foreach (var warning in MissingArms(canary, after, before))
                warnings.Add(warning);
        }
    }

    /// <summary>Checks what is measured; buckets are brought into order.</summary>
    /// <param name="spec">The record.</param>
    /// <param name="state">What it will stand beside.</param>
    /// <param name="warnings">Takes what is no fault.</param>
    /// <param name="mayWait">Its endpoint may be missing, which is a warning then: removing an endpoint leaves its metrics.</param>
    public static MetricSpec Check(MetricSpec spec, DesiredState state, ICollection<string> warnings, bool mayWait = false)
    {
        var rules = new RecordRules();
        if (spec.Endpoint.Length == 0)
        {
            rules._errors.Add("the endpoint is missing");
        }
        else if (!IsMeasurable(spec.Endpoint, state))
        {
            if (mayWait)
                rules._warnings.Add($"metrics of '{spec.Endpoint}': there is no such endpoint; nothing is measured until there is");
            else
                rules._errors.Add(
                    $"there is no endpoint '{spec.Endpoint}'; add it first, or end the name with * to mean all that start so" +
                    (state.Endpoints.Count > 0 ? $"; there are: {string.Join(", ", state.Endpoints.Keys.Take(10))}" : ""));
        }

        CheckShare(rules._errors, "log_frequency", spec.LogFrequency);
        var variables = spec.Metrics.Select(pair => KeyValuePair.Create(pair.Key, rules.CheckVariable(pair.Key, pair.Value))).ToList();
        rules.Finish($"metrics of '{spec.Endpoint}'", warnings);
        return spec with { Metrics = new(variables) };
    }

    /// <summary>Checks parameters.</summary>
    public static ServiceParametersSpec Check(ServiceParametersSpec spec)
    {
        var rules = new RecordRules();
        CheckShare(rules._errors, "metric_logging_freq", spec.MetricLoggingFreq);
        if (spec.ServingBaseUrl is { } url && !(Uri.TryCreate(url, UriKind.Absolute, out var parsed) && parsed.Scheme is "http" or "https"))
            rules._errors.Add($"serving_base_url '{url}' must be an address such as http://127.0.0.1:8080/serve");
        foreach (var (name, address) in new[]
        {
            ("triton_grpc_server", spec.TritonGrpcServer), ("kafka_service_server", spec.KafkaServiceServer),
        })
        {
            if (address is not null && !address.Split(',').All(IsHostAndPort))
                rules._errors.Add($"{name} '{address}' must be HOST:PORT");
        }

        rules.Finish("parameters", []);
        return spec;
    }

    /// <summary>What a canary misses; of an edit (<paramref name="before"/> is given) only when it takes something away.</summary>
    private static IEnumerable<string> MissingArms(CanarySpec spec, DesiredState state, DesiredState? before)
    {
        var absent = spec.LoadEndpoints.Where(key => !Exists(key, state)).Distinct(StringComparer.Ordinal).ToList();
        var told = absent.Where(key => before is null || Exists(key, before)).ToList();
        if (told.Count > 0 && spec.LoadEndpoints.All(absent.Contains))
        {
            yield return $"canary '{spec.Endpoint}': none of its input endpoints is there: {string.Join(", ", absent)}; calls fail until one is";
        }
        else
        {
            foreach (var key in told)
                yield return $"canary '{spec.Endpoint}': input endpoint '{key}' is not there; its share goes to the others until it is";
        }

        if (spec.LoadEndpointPrefix is { } prefix && !AnyStartsWith(prefix, state) && (before is null || AnyStartsWith(prefix, before)))
            yield return $"canary '{spec.Endpoint}': no endpoint starts with '{prefix}'; calls fail until one does";
    }

    private static bool IsMeasurable(string name, DesiredState state) =>
        name.EndsWith('*') || Exists(name, state) || state.Canaries.ContainsKey(name) || state.Monitors.ContainsKey(name);

    private static bool AnyStartsWith(string prefix, DesiredState state) =>
        Keys(state).Any(key => key.StartsWith(prefix, StringComparison.Ordinal));

    private static IEnumerable<string> Keys(DesiredState state) => state.Endpoints.Keys.Concat(
        state.AssignedVersions.Where(version => version.IsLive).Select(version => $"{version.BaseServingUrl}/{version.Version}"));

    private static bool Exists(string key, DesiredState state) => Keys(state).Contains(key, StringComparer.Ordinal);

    private static bool IsHostAndPort(string address)
    {
        var text = address.Trim();
        var scheme = text.IndexOf("://", StringComparison.Ordinal);
        var plain = scheme < 0 ? text : text[(scheme + 3)..];
        var colon = plain.LastIndexOf(':');
        return colon > 0 && ushort.TryParse(plain[(colon + 1)..].TrimEnd('/'), out _);
    }

    private static void CheckShare(List<string> errors, string name, double? share)
    {
        if (share is { } value && value is not (>= 0 and <= 1))
            errors.Add($"{name} is {value}; it is a share of requests between 0 and 1");
    }

    private void CheckName(string field, string name, int most)
    {
        if (name.Length is 0 or > LongestName)
        {
            _errors.Add(name.Length == 0 ? $"{field} is missing" : $"{field} has {name.Length} characters; {LongestName} are the most");
            return;
        }

        var parts = name.Split('/');
        if (parts.Length > most)
            _errors.Add(
                $"{field} '{name}' has {parts.Length} parts between slashes; at most {most} can be called here, since /serve takes " +
                "name or name/version");
        if (parts.Any(part => part.Length == 0) || name.Any(letter => char.IsControl(letter) || char.IsWhiteSpace(letter) ||
            letter is '?' or '#' or '%' or '*' or '\\'))
            _errors.Add($"{field} '{name}' has an empty part, a space, or one of ? # % * \\");
        if (parts.Any(part => part is "." or ".."))
            _errors.Add($"{field} '{name}' has a part that is . or ..");
    }

    private void CheckEngine(string engine)
    {
        if (!EngineNames.IsKnown(engine))
            _errors.Add($"engine '{engine}' is not known; use one of: {string.Join(", ", EngineNames.All)}");
    }

    private void CheckArtifact(string? name, DesiredState state)
    {
        if (name is not null && !state.Artifacts.ContainsKey(name))
            _errors.Add($"there is no artifact '{name}' in the service; upload the code first");
    }

    private (ValueList<string> Inputs, ValueList<string> Outputs) CheckTensors(
        Tensors inputs, Tensors outputs, string engine, string? auxiliary)
    {
        CheckCounts(inputs);
        CheckCounts(outputs);
        var isDeclared = inputs.IsGiven || outputs.IsGiven;
        if (engine == EngineNames.Triton && isDeclared)
        {
            var missing = inputs.Missing.Concat(outputs.Missing).ToList();
            if (missing.Count > 0)
                _errors.Add(
                    $"engine triton needs all of the input and output fields or none of them; missing: {string.Join(", ", missing)}");
        }

        if (auxiliary is not null && isDeclared)
            CheckClash(auxiliary);
        return (CheckTypes(inputs), CheckTypes(outputs));
    }

    private void CheckCounts(Tensors tensors)
    {
        var counts = new[] { tensors.Sizes.Count, tensors.Types.Count, tensors.Names.Count }.Where(count => count > 0).Distinct().ToList();
        if (counts.Count > 1)
            _errors.Add(
                $"{tensors.Kind}_size, {tensors.Kind}_type and {tensors.Kind}_name have {tensors.Sizes.Count}, {tensors.Types.Count} and " +
                $"{tensors.Names.Count} entries; give one of each per tensor");
        foreach (var name in tensors.Names.GroupBy(name => name, StringComparer.Ordinal).Where(group => group.Count() > 1))
            _errors.Add($"{tensors.Kind}_name '{name.Key}' is there {name.Count()} times");
    }

    private ValueList<string> CheckTypes(Tensors tensors)
    {
        foreach (var type in tensors.Types.Where(type => NumpyTypes.Normalize(type) is null))
            _errors.Add($"{tensors.Kind}_type '{type}' is no data type of numpy; use one such as float32, int64, uint8, bool or object");
        return ValueList.From(tensors.Types.Select(type => NumpyTypes.Normalize(type) ?? type));
    }

    /// <summary>Names, types and sizes stand in one place only; further settings of a tensor may stand beside them.</summary>
    private void CheckClash(string auxiliary)
    {
        if (JsonNode.Parse(auxiliary) is not JsonObject settings)
            return;
        foreach (var kind in new[] { "input", "output" })
        {
            if (settings[kind] is not { } node)
                continue;
            var tensors = node is JsonArray list ? list.AsEnumerable() : node is JsonObject map ? map.Select(pair => pair.Value) : [];
            foreach (var field in tensors.OfType<JsonObject>().SelectMany(tensor => tensor.Select(pair => pair.Key)).Distinct()
                .Where(field => field is "name" or "dims" or "data_type"))
            {
                var option = field switch { "name" => "name", "dims" => "size", _ => "type" };
                _errors.Add($"auxiliary_cfg has {kind}.{field} and the record has {kind} fields too; use --{kind}-{option} for it");
            }
        }
    }

    private MetricVariable CheckVariable(string name, MetricVariable variable)
    {
        if (name.Length == 0)
            _errors.Add("a variable has no name");
        switch (variable.Type)
        {
            case "scalar" when variable.Bounds.Count == 0:
                _errors.Add($"variable '{name}' is a scalar without buckets; give upper bounds as in {name}=0.1,0.5,1 or {name}=min/max/n");
                break;
            case "scalar" when variable.Bounds.Any(bound => !double.IsFinite(bound)):
                _errors.Add($"variable '{name}' has a bucket that is no finite number");
                break;
            case "scalar":
                return variable with { Bounds = ValueList.From(variable.Bounds.Distinct().Order()) };
            case "enum" when variable.Values.Count == 0 || variable.Values.Any(value => value.Length == 0):
                _errors.Add($"variable '{name}' is an enum without values; give them as in {name}=cat,dog");
                break;
            case "enum":
                return variable with { Values = ValueList.From(variable.Values.Distinct(StringComparer.Ordinal)) };
            case "value" or "counter":
                break;
            default:
                _errors.Add($"variable '{name}' has type '{variable.Type}'; use scalar, enum, value or counter");
                break;
        }

        return variable;
    }

    private void Finish(string what, ICollection<string> warnings)
    {
        if (_errors.Count > 0)
            throw InferenceException.Invalid($"{what}: {string.Join("; ", _errors)}");
        foreach (var warning in _warnings)
            warnings.Add(warning);
    }

    private sealed record Tensors(string Kind, ValueList<ValueList<long>> Sizes, ValueList<string> Types, ValueList<string> Names)
    {
        public bool IsGiven => Sizes.Count + Types.Count + Names.Count > 0;

        public IEnumerable<string> Missing
        {
            get
            {
                if (Sizes.Count == 0)
                    yield return $"{Kind}_size";
                if (Types.Count == 0)
                    yield return $"{Kind}_type";
                if (Names.Count == 0)
                    yield return $"{Kind}_name";
            }
        }
    }
}
