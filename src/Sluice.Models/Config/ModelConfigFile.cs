using Google.Protobuf;
using Sluice.Inference;
using Sluice.Protocol.Inference;

namespace Sluice.Models;

/// <summary>Reads configurations as people write them.</summary>
public static class ModelConfigFile
{
    private static readonly JsonParser Json = new(new JsonParser.Settings(TextFormat.MaxDepth));

    /// <summary>Reads a <c>config.pbtxt</c>.</summary>
    /// <param name="path">The file.</param>
    /// <param name="shownAs">What messages call it; null = by its path.</param>
    /// <exception cref="InferenceException">
    /// <see cref="InferenceCode.InvalidArgument"/> when it cannot be read or does not parse; the message has file, line
    /// and column.
    /// </exception>
    public static ModelConfig Read(string path, string? shownAs = null)
    {
        var name = shownAs ?? path;
        try
        {
            if (new FileInfo(path).Length > TextFormat.MaxSizeBytes)
                throw InferenceException.Invalid($"{name} has more than {TextFormat.MaxSizeBytes} bytes");

            return TextFormat.Parse<ModelConfig>(File.ReadAllBytes(path), name);
        }
        catch (TextFormatException e)
        {
            throw new InferenceException(
                InferenceCode.InvalidArgument, $"failed to read model configuration: {e.Message}", e);
        }
        // The system's words would tell the client where on this machine the file lies.
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InferenceException(
                InferenceCode.InvalidArgument, $"failed to read model configuration: {name}: {e.GetType().Name}", e);
        }
    }

    /// <summary>Reads a configuration that a load request carries in proto JSON.</summary>
    /// <param name="model">Name for messages.</param>
    /// <param name="json">Field names in either spelling, 64-bit numbers as numbers or strings.</param>
    /// <exception cref="InferenceException"><see cref="InferenceCode.InvalidArgument"/> when it does not parse.</exception>
    public static ModelConfig ReadJson(string model, string json)
    {
        try
        {
            return Json.Parse<ModelConfig>(json);
        }
        // Two kinds of exception, one for bad JSON and one for bad fields; this is their common parent.
        catch (IOException e)
        {
            throw new InferenceException(
                InferenceCode.InvalidArgument, $"failed to load '{model}', its config override is wrong: {e.Message}", e);
        }
    }
}
