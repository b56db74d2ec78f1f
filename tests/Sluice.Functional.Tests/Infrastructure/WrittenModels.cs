namespace Sluice.Functional.Tests.Infrastructure;

/// <summary>Models that a test writes down: ensembles over <c>add_sub_int32</c> and the built-in test engines.</summary>
internal static class WrittenModels
{
    /// <summary>Two additions one after the other: OUTPUT0 is twice INPUT0, OUTPUT1 twice INPUT1.</summary>
    public const string Doubling =
        """
        platform: "ensemble" max_batch_size: 8
        input [ { name: "A" data_type: TYPE_INT32 dims: 16 }, { name: "B" data_type: TYPE_INT32 dims: 16 } ]
        output [ { name: "OUTPUT0" data_type: TYPE_INT32 dims: 16 }, { name: "OUTPUT1" data_type: TYPE_INT32 dims: 16 } ]
        ensemble_scheduling { step [
          { model_name: "add_sub_int32" model_version: -1
            input_map { key: "INPUT0" value: "sum" } input_map { key: "INPUT1" value: "difference" }
            output_map { key: "OUTPUT0" value: "OUTPUT0" } output_map { key: "OUTPUT1" value: "OUTPUT1" } },
          { model_name: "add_sub_int32" model_version: -1
            input_map { key: "INPUT0" value: "A" } input_map { key: "INPUT1" value: "B" }
            output_map { key: "OUTPUT0" value: "sum" } output_map { key: "OUTPUT1" value: "difference" } } ] }
        """;

    /// <summary>One step from IN to OUT.</summary>
    public static string Chain(string type, string dims, string extra, params (string Model, string Input, string Output)[] steps)
    {
        var text = $$"""
            platform: "ensemble" {{extra}}
            input { name: "IN" data_type: {{type}} dims: {{dims}} }
            output { name: "OUT" data_type: {{type}} dims: {{dims}} }
            ensemble_scheduling {

            """;
        for (var i = 0; i < steps.Length; i++)
        {
            var (model, input, output) = steps[i];
            text += $$"""
                step { model_name: "{{model}}" model_version: -1 input_map { key: "{{input}}" value: "{{(i == 0 ? "IN" : $"t{i}")}}" }
                  output_map { key: "{{output}}" value: "{{(i == steps.Length - 1 ? "OUT" : $"t{i + 1}")}}" } }

                """;
        }

        return text + "}";
    }

    /// <summary>A copy of one tensor.</summary>
    public static string Identity(string type, string dims, string extra) =>
        $"backend: \"identity\" {extra}\ninput {{ name: \"INPUT0\" data_type: {type} dims: {dims} }}\n" +
        $"output {{ name: \"OUTPUT0\" data_type: {type} dims: {dims} }}\n";

    /// <summary>Writes a model without files of its own.</summary>
    public static void Write(string repository, string name, string config)
    {
        Directory.CreateDirectory(Path.Combine(repository, name, "1"));
        File.WriteAllText(Path.Combine(repository, name, "config.pbtxt"), config);
    }
}
