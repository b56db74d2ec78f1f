using System.Text.RegularExpressions;
using Sluice.Backends.OnnxRuntime.Interop;
using Sluice.Inference;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>Turns the engine's errors into what clients and operators see.</summary>
internal static partial class OnnxErrors
{
    /// <summary>A model that cannot be served. Its file is at fault, so sending it again cannot help.</summary>
    public static InferenceException Load(ModelSettings model, OrtException error) =>
        new(
            InferenceCode.InvalidArgument,
            $"cannot load ONNX model '{model.Name}' version {model.Version}: "
                + (error.Code == OrtErrorCode.InvalidProtobuf
                    ? $"its file '{model.ModelFilename}' is incomplete or no ONNX file: " : "")
                + Clean(error.Message),
            error);

    /// <summary>A model that we refuse; keeps the code.</summary>
    public static InferenceException Load(ModelSettings model, InferenceException error) =>
        new(error.Code, $"cannot load ONNX model '{model.Name}' version {model.Version}: {error.Message}", error);

    /// <summary>Outputs that there is no room for.</summary>
    public static InferenceException Memory(ModelSettings model, Exception error) =>
        new(InferenceCode.ResourceExhausted, $"no memory for the outputs of model '{model.Name}': {error.Message}", error);

    /// <summary>One failed execution.</summary>
    public static InferenceException Run(ModelSettings model, OrtException error) =>
        new(
            error.Code switch
            {
                // The engine blames the inputs: wrong rank, dimension or name.
                OrtErrorCode.InvalidArgument => InferenceCode.InvalidArgument,
                OrtErrorCode.NotImplemented => InferenceCode.Unimplemented,
                _ when error.Message.Contains("Failed to allocate memory", StringComparison.Ordinal) =>
                    InferenceCode.ResourceExhausted,
                _ => InferenceCode.Internal,
            },
            $"model '{model.Name}' failed in ONNX Runtime: {Clean(error.Message)}",
            error);

    /// <summary>Drops what only the engine's authors can use: file, line and signature in C++, and paths of ours.</summary>
    public static string Clean(string message) =>
        LoadPrefix().Replace(SourceLocation().Replace(message, ""), "").Trim();

    [GeneratedRegex(@"/onnxruntime_src/\S+:\d+ [^\n(]*\([^()]*\)( const)?( \[with [^\]]*\])?\s*(\[ONNXRuntimeError\] : \d+ : \w+ : )?")]
    private static partial Regex SourceLocation();

    [GeneratedRegex(@"^Load model from .*? failed:")]
    private static partial Regex LoadPrefix();
}
