using System.Collections.Frozen;

namespace Sluice.Control.Registry;

/// <summary>The frameworks that a model may come from.</summary>
public static class Frameworks
{
    /// <summary>Token of what is none of the others.</summary>
    public const string Custom = "custom";

    /// <summary>All tokens, in the order in which users see them.</summary>
    public static IReadOnlyList<string> All { get; } =
    [
        "tensorflow", "tensorflowjs", "tensorflowlite", "pytorch", "torchscript", "caffe", "caffe2", "onnx", "keras", "mknet", "cntk",
        "torch", "darknet", "paddlepaddle", "scikitlearn", "xgboost", "lightgbm", "parquet", "megengine", "catboost", "tensorrt",
        "openvino", Custom,
    ];

    private static readonly FrozenSet<string> Known = All.ToFrozenSet(StringComparer.Ordinal);

    private static readonly FrozenDictionary<string, string> ByEnding = new Dictionary<string, string>
    {
        [".pt"] = "pytorch",
        [".pth"] = "pytorch",
        [".onnx"] = "onnx",
        [".pkl"] = "scikitlearn",
        [".joblib"] = "scikitlearn",
        [".h5"] = "keras",
        [".hdf5"] = "keras",
        [".keras"] = "keras",
        [".pb"] = "tensorflow",
        [".zip"] = "tensorflow",
        [".tgz"] = "tensorflow",
        [".tar.gz"] = "tensorflow",
        [".tflite"] = "tensorflowlite",
        [".plan"] = "tensorrt",
        [".engine"] = "tensorrt",
        [".cbm"] = "catboost",
        [".caffemodel"] = "caffe",
        [".parquet"] = "parquet",
        [".xgb"] = "xgboost",
        [".ubj"] = "xgboost",
        [".lgbm"] = "lightgbm",
    }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    /// <summary>Reads a token; other spellings, such as <c>scikit-learn</c>, are understood.</summary>
    /// <returns>Null when it is none.</returns>
    public static string? Normalize(string token)
    {
        var plain = new string([.. token.Where(char.IsAsciiLetterOrDigit)]).ToLowerInvariant();
        return Known.Contains(plain) ? plain : plain == "sklearn" ? "scikitlearn" : null;
    }

    /// <summary>Guesses from a file's ending; <see cref="Custom"/> when it says nothing.</summary>
    public static string OfFile(string fileName)
    {
        foreach (var (ending, framework) in ByEnding)
        {
            if (fileName.EndsWith(ending, StringComparison.OrdinalIgnoreCase))
                return framework;
        }

        return Custom;
    }
}
