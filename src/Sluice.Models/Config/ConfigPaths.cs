using Sluice.Protocol.Inference;

namespace Sluice.Models;

/// <summary>Keeps the files that a configuration names inside the model's folder.</summary>
/// <remarks>A configuration may come over the network with a load request, so its paths are not trusted.</remarks>
internal static class ConfigPaths
{
    /// <returns>One sentence per path that leads elsewhere.</returns>
    public static IEnumerable<string> FindFaults(ModelConfig config) =>
        config.Output.Select(o => ("label_filename", o.LabelFilename))
            .Concat(config.ModelWarmup.SelectMany(sample => sample.Inputs.Values).Select(input => ("input_data_file", input.InputDataFile)))
            .Append(("default_model_filename", config.DefaultModelFilename))
            .Concat((config.SequenceBatching?.State ?? []).SelectMany(s => s.InitialState).Select(i => ("data_file", i.DataFile)))
            .Where(p => IsOutside(p.Item2))
            .Select(p => $"'{p.Item1}' of model '{config.Name}' must stay inside the model's folder: '{p.Item2}'");

    private static bool IsOutside(string path) =>
        Path.IsPathRooted(path) || path.Contains('\0') || path.Split('/', '\\').Contains("..");
}
