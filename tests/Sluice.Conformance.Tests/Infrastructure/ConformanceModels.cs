using Sluice.Testing;

namespace Sluice.Conformance.Tests.Infrastructure;

/// <summary>The model repository that the suite asks about: two golden ONNX models, the rest on the ecosystem's test backends.</summary>
internal static class ConformanceModels
{
    /// <summary>Every model that can be loaded.</summary>
    public static IEnumerable<string> Loadable => Configs.Keys.Where(name => name is not ("broken" or "spare" or "cold" or "dangling" or "streamed")).Append("auto").Append("simple");

    /// <summary>Every type of the protocol, as configurations spell it.</summary>
    public static string[] Types { get; } =
    [
        "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "BF16", "FP32", "FP64", "STRING",
    ];

    /// <summary><c>config.pbtxt</c> by model; <c>auto</c> and <c>simple</c> are the golden <c>add_sub_int32</c>.</summary>
    private static Dictionary<string, string> Configs { get; } = new(StringComparer.Ordinal)
    {
        ["types"] = "backend: \"identity\"\n" +
            Join("input", i => $"name: \"INPUT{i}\" data_type: TYPE_{Types[i]} dims: -1 optional: true") +
            Join("output", i => $"name: \"OUTPUT{i}\" data_type: TYPE_{Types[i]} dims: -1"),
        ["counted"] = Identity("TYPE_FP32", "-1", "max_batch_size: 8"),
        ["batched"] = Identity("TYPE_FP32", "-1", "max_batch_size: 8 dynamic_batching { }"),
        ["plain"] = Identity("TYPE_INT32", "2, -1", ""),
        ["texts"] = Identity("TYPE_STRING", "4", "max_batch_size: 8"),
        ["optional"] = "backend: \"identity\" max_batch_size: 4\n" +
            "input [ { name: \"INPUT0\" data_type: TYPE_INT32 dims: 2 }, { name: \"INPUT1\" data_type: TYPE_INT32 dims: 2 optional: true } ]\n" +
            "output [ { name: \"OUTPUT0\" data_type: TYPE_INT32 dims: 2 }, { name: \"OUTPUT1\" data_type: TYPE_INT32 dims: 2 } ]\n",
        ["wild"] = Identity("TYPE_FP32", "-1, -1", ""),
        ["classes"] = "backend: \"identity\" max_batch_size: 4\ninput { name: \"INPUT0\" data_type: TYPE_FP32 dims: 3 }\n" +
            "output { name: \"OUTPUT0\" data_type: TYPE_FP32 dims: 3 label_filename: \"labels.txt\" }\n",
        ["versions"] = Identity("TYPE_FP32", "-1", "version_policy { specific { versions: 1, versions: 3 } }"),
        ["repeat_int32"] = "backend: \"repeat\" model_transaction_policy { decoupled: true }",
        ["repeat_once"] = "backend: \"repeat\"",
        ["square_faulty"] = "backend: \"square\" model_transaction_policy { decoupled: true }\n" +
            "parameters { key: \"CUSTOM_FAIL_COUNT\" value { string_value: \"2\" } }\n",
        ["sequence_direct"] = Sequence("sequence", "direct { }", "INT32", ""),
        ["sequence_oldest"] = Sequence("dyna_sequence", "oldest { max_candidate_sequences: 4 }", "INT32", Id("UINT64")),
        ["sequence_named"] = Sequence("dyna_sequence", "oldest { max_candidate_sequences: 4 }", "INT32", Id("STRING")),
        ["sequence_single"] = Sequence("sequence", "", "INT32", "", "max_batch_size: 1 instance_group { count: 1 kind: KIND_CPU }", "500000"),
        ["sequence_iterative"] = "backend: \"iterative_sequence\" max_batch_size: 1 model_transaction_policy { decoupled: true }\n" +
            "sequence_batching { iterative_sequence: true }",
        ["sequence_rescheduling"] = "backend: \"iterative_sequence\" max_batch_size: 1 model_transaction_policy { decoupled: true }\n" +
            "sequence_batching { oldest { } }",
        ["cached"] = Identity("TYPE_FP32", "-1", "response_cache { enable: true }"),
        ["streamed"] = Identity("TYPE_FP32", "-1", "response_cache { enable: true } model_transaction_policy { decoupled: true }"),
        ["warm"] = Identity("TYPE_FP32", "-1", "model_warmup { name: \"w\" count: 2 inputs { key: \"INPUT0\" value { data_type: TYPE_FP32 dims: 4 random_data: true } } }"),
        ["cold"] = Identity("TYPE_FP32", "-1", "model_warmup { name: \"sample\" inputs { key: \"INPUT0\" value { data_type: TYPE_FP32 dims: 4 input_data_file: \"none\" } } }"),
        ["dangling"] = Pipeline.Replace("\"simple\"", "\"nobody\"", StringComparison.Ordinal),
        ["pipeline"] = Pipeline,
        ["squares"] = """
            platform: "ensemble" model_transaction_policy { decoupled: true }
            input { name: "IN" data_type: TYPE_INT32 dims: 1 } output { name: "OUT" data_type: TYPE_INT32 dims: 1 }
            ensemble_scheduling { step { model_name: "square_faulty" model_version: -1 input_map { key: "IN" value: "IN" } output_map { key: "OUT" value: "OUT" } } }
            """,
        ["parsed"] = TextFormat,
        ["spare"] = Identity("TYPE_FP32", "-1", ""),
        ["broken"] = "backend: \"identity\"\nmax_batch: 3\n",
    };

    /// <summary>The sample repository's kind of ensemble: one addition after the other.</summary>
    private const string Pipeline =
        """
        platform: "ensemble" max_batch_size: 8
        input [ { name: "INPUT0" data_type: TYPE_INT32 dims: 16 }, { name: "INPUT1" data_type: TYPE_INT32 dims: 16 } ]
        output [ { name: "OUTPUT0" data_type: TYPE_INT32 dims: 16 }, { name: "OUTPUT1" data_type: TYPE_INT32 dims: 16 } ]
        ensemble_scheduling { step [
          { model_name: "simple" model_version: -1
            input_map [ { key: "INPUT0" value: "INPUT0" }, { key: "INPUT1" value: "INPUT1" } ]
            output_map [ { key: "OUTPUT0" value: "sum" }, { key: "OUTPUT1" value: "difference" } ] },
          { model_name: "simple" model_version: 1
            input_map [ { key: "INPUT0" value: "sum" }, { key: "INPUT1" value: "difference" } ]
            output_map [ { key: "OUTPUT0" value: "OUTPUT0" }, { key: "OUTPUT1" value: "OUTPUT1" } ] } ] }
        """;

    /// <summary>Uses every liberty of protobuf's text format (spec §3.1).</summary>
    private const string TextFormat =
        """
        # a comment; then single quotes, strings joined, and a name that differs from nothing
        name: 'par' "sed"
        backend: "ident\x69ty";
        max_batch_size: 0x10,
        input: { name: "INPUT0", data_type: 11; dims: [ 2, 0x03 ] }  # an enum by number
        output < name: "OUTPUT0" data_type: TYPE_FP32 dims: [2,3]; >
        instance_group [ { count: 2 kind: KIND_CPU }, { count: 1 kind: KIND_CPU name: "named" } ]
        dynamic_batching { preferred_batch_size: [ 4, 8 ]; max_queue_delay_microseconds: 100
          priority_levels: 2 default_priority_level: 1
          priority_queue_policy { key: 1 value { timeout_action: DELAY max_queue_size: 10 } } }
        parameters [ { key: "a" value: { string_value: "line\n\"quoted\" \303\274" } } ]
        """;

    public static void WriteTo(string repository)
    {
        foreach (var (name, config) in Configs)
        {
            foreach (var version in name == "versions" ? ["1", "2", "3"] : new[] { "1" })
                Directory.CreateDirectory(Path.Combine(repository, name, version));
            File.WriteAllText(Path.Combine(repository, name, "config.pbtxt"), config);
        }

        File.WriteAllText(Path.Combine(repository, "classes", "labels.txt"), "a\nb\n");
        var golden = Path.Combine(GoldenSet.FolderOf("onnx"), "add_sub_int32");
        foreach (var name in new[] { "auto", "simple" })
        {
            Directory.CreateDirectory(Path.Combine(repository, name, "1"));
            File.Copy(Path.Combine(golden, "model.onnx"), Path.Combine(repository, name, "1", "model.onnx"));
        }

        File.WriteAllText(
            Path.Combine(repository, "simple", "config.pbtxt"),
            File.ReadAllText(Path.Combine(golden, "config.pbtxt")).Replace("add_sub_int32", "simple", StringComparison.Ordinal));
    }

    private static string Identity(string type, string dims, string extra) =>
        $"backend: \"identity\" {extra}\ninput {{ name: \"INPUT0\" data_type: {type} dims: [ {dims} ] }}\n" +
        $"output {{ name: \"OUTPUT0\" data_type: {type} dims: [ {dims} ] }}\n";

    /// <summary>A model of the test backends that add up; controls are integers.</summary>
    private static string Sequence(string backend, string strategy, string type, string more, string batches = "max_batch_size: 8", string idle = "5000000") =>
        $"backend: \"{backend}\" {batches}\ninput {{ name: \"INPUT\" data_type: TYPE_{type} dims: 1 }}\n" +
        $"output {{ name: \"OUTPUT\" data_type: TYPE_{type} dims: 1 }}\n" +
        $"sequence_batching {{ max_sequence_idle_microseconds: {idle} {strategy}\n" +
        "control_input [ { name: \"START\" control { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } },\n" +
        $"  {{ name: \"READY\" control {{ kind: CONTROL_SEQUENCE_READY int32_false_true: [ 0, 1 ] }} }}{more} ] }}\n";

    private static string Id(string type) =>
        ",\n  { name: \"END\" control { kind: CONTROL_SEQUENCE_END int32_false_true: [ 0, 1 ] } },\n" +
        $"  {{ name: \"CORRID\" control {{ kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_{type} }} }}";

    private static string Join(string kind, Func<int, string> describe) =>
        $"{kind} [ {string.Join(", ", Types.Select((_, i) => $"{{ {describe(i)} }}"))} ]\n";
}
