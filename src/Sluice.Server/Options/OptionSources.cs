using YamlDotNet.RepresentationModel;

namespace Sluice.Server;

/// <summary>Collects settings: the file first, then the environment, then the command line; later ones win.</summary>
public static class OptionSources
{
    /// <summary>Builds the options.</summary>
    /// <param name="commandLine">Given flags with their values, in order.</param>
    /// <param name="environment">Reads a variable.</param>
    /// <param name="file">A YAML file of settings; null = none.</param>
    /// <param name="errors">Receives one sentence per fault, naming the source and the offending value.</param>
    public static ServerOptions Read(
        IReadOnlyList<(string Name, string Value)> commandLine, Func<string, string?> environment, string? file,
        ICollection<string> errors)
    {
        var options = new ServerOptions { ControlPlane = new ControlPlaneOptions() };
        if (file is not null)
            options = ApplyAll(options, ReadFile(file, errors), name => $"{file}: {name}", errors);
        var variables = OptionTable.All
            .Select(definition => (definition.Name, Variable: VariableOf(definition, environment)))
            .Where(setting => setting.Variable is not null).ToDictionary(setting => setting.Name, setting => setting.Variable!);
        options = ApplyAll(options, variables.Select(pair => (pair.Key, environment(pair.Value)!)), name => variables[name], errors);
        options = ApplyAll(options, commandLine, name => $"--{name}", errors);
        OptionRules.Check(options, errors);
        return options;
    }

    private static string? VariableOf(OptionDefinition definition, Func<string, string?> environment) =>
        !string.IsNullOrEmpty(environment(definition.Variable)) ? definition.Variable
        : definition.OtherVariable is { } other && !string.IsNullOrEmpty(environment(other)) ? other : null;

    private static ServerOptions ApplyAll(
        ServerOptions options, IEnumerable<(string Name, string Value)> settings, Func<string, string> source,
        ICollection<string> errors)
    {
        // A list given by a stronger source replaces the weaker one's, it does not add to it.
        var blank = new ServerOptions();
        var given = settings.ToList();
        if (given.Exists(setting => setting.Name == "model-repository"))
            options = options with { ModelRepositories = blank.ModelRepositories };
        if (given.Exists(setting => setting.Name == "load-model"))
            options = options with { LoadModels = blank.LoadModels };
        if (given.Exists(setting => setting.Name == "grpc-restricted-protocol"))
            options = options with { GrpcRestricted = blank.GrpcRestricted };
        if (given.Exists(setting => setting.Name == "http-restricted-api"))
            options = options with { HttpRestricted = blank.HttpRestricted };
        foreach (var (name, value) in given)
        {
            try
            {
                options = Find(name)!.Apply(options, value);
            }
            catch (FormatException error)
            {
                errors.Add($"{source(name)}: '{value}' {error.Message}");
            }
        }

        return options;
    }

    private static List<(string Name, string Value)> ReadFile(string file, ICollection<string> errors)
    {
        var settings = new List<(string Name, string Value)>();
        try
        {
            using var text = new StreamReader(file);
            var yaml = new YamlStream();
            yaml.Load(text);
            if (yaml.Documents.Count == 0)
                return settings;
            if (yaml.Documents[0].RootNode is not YamlMappingNode root)
            {
                errors.Add($"{file}: must be a mapping of setting names to values");
                return settings;
            }

            foreach (var (key, value) in root.Children)
                AddSetting(settings, file, key.ToString(), value, errors);
        }
        catch (Exception error)
        {
            // On damaged texts the scanner also throws what it does not document.
            errors.Add($"{file}: {error.Message}");
        }

        return settings;
    }

    private static void AddSetting(
        List<(string Name, string Value)> settings, string file, string name, YamlNode value, ICollection<string> errors)
    {
        if (Find(name) is null)
        {
            errors.Add($"{file}: '{name}' is not a setting");
            return;
        }

        IEnumerable<YamlNode> values = value is YamlSequenceNode list ? list.Children : [value];
        settings.AddRange(values.Select(node => (name, ((node as YamlScalarNode)?.Value) ?? "")));
    }

    private static OptionDefinition? Find(string name) =>
        OptionTable.All.FirstOrDefault(definition => definition.Name == name);
}
