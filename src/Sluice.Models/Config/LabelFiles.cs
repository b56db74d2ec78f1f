using System.Text;
using Sluice.Inference;

namespace Sluice.Models;

/// <summary>Reads the names of an output's classes: a text file of the model's folder, one name a line.</summary>
internal static class LabelFiles
{
    private const long MaxBytes = 16 * 1024 * 1024;

    /// <summary>Reads the label files that the outputs name.</summary>
    /// <exception cref="InferenceException"><see cref="InferenceCode.InvalidArgument"/>: a file is missing or too large.</exception>
    public static ModelSettings Load(ModelSettings settings) => settings.Outputs.All(o => o.LabelFilename.Length == 0)
        ? settings
        : settings with { Outputs = [.. settings.Outputs.Select(output => Load(settings, output))] };

    private static TensorSettings Load(ModelSettings settings, TensorSettings output)
    {
        if (output.LabelFilename.Length == 0)
            return output;
        var place = $"label file '{output.LabelFilename}' of output '{output.Name}' of model '{settings.Name}'";
        try
        {
            var path = Path.Combine(settings.ModelFolder, output.LabelFilename);
            if (!File.Exists(path))
                throw InferenceException.Invalid($"{place} is not there");
            if (new FileInfo(path).Length > MaxBytes)
                throw InferenceException.Invalid($"{place} has more than {MaxBytes} bytes");
            return output with { Labels = [.. File.ReadLines(path).Select(line => Encoding.UTF8.GetBytes(line.TrimEnd('\r')))] };
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InferenceException(InferenceCode.InvalidArgument, $"{place} cannot be read: {error.GetType().Name}", error);
        }
    }
}
