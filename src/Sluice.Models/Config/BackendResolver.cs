using Sluice.Inference;
using Sluice.Protocol.Inference;

namespace Sluice.Models;

/// <summary>Finds the engine of a model from its configuration, its files or its name (spec §3.3, step 1).</summary>
internal static class BackendResolver
{
    private static readonly string[] ForestFiles =
    [
        "xgboost.json", "xgboost.ubj", "xgboost.model", "xgboost.bin", "model.txt", "lightgbm.txt", "model.json", "model.ubj", "model.model",
        "xgb_model", "lgbm_model", "catboost.json",
    ];

    private static readonly Engine[] Engines =
    [
        new("tensorrt", "tensorrt_plan", "model.plan"),
        new("onnxruntime", "onnxruntime_onnx", "model.onnx"),
        new("openvino", "", "model.xml"),
        new("pytorch", "pytorch_libtorch", "model.pt"),
        new("pytorch", "torch_aoti", "model.pt2"),
        new(ModelConfigOptions.PythonEngine, "", ModelConfigOptions.EngineCodeFile),
        new("sklearn", "", ["model.joblib", "model.pkl"]),
        new("forest", "forest", ForestFiles),
        new("fil", "", ForestFiles),
        new("xgboost", "", ForestFiles),
        new("lightgbm", "", ForestFiles),
        new("catboost", "", ForestFiles),
    ];

    /// <summary>Tells whether an engine's models are code that reads its own configuration.</summary>
    public static bool ShowsConfiguration(string backend) => backend is ModelConfigOptions.PythonEngine or "sklearn";

    /// <summary>Fills <c>backend</c>, <c>platform</c> and <c>default_model_filename</c> as far as known.</summary>
    /// <param name="config">Changed in place.</param>
    /// <param name="versionFolder">A version, looked at only when the configuration names no engine.</param>
    /// <exception cref="InferenceException">The engine cannot be told.</exception>
    public static void Resolve(ModelConfig config, string versionFolder)
    {
        if (config.Platform == "ensemble" || config.EnsembleScheduling is not null)
        {
            if (config.EnsembleScheduling is null)
                throw InferenceException.Invalid($"model '{config.Name}' has platform 'ensemble' but no 'ensemble_scheduling'");
            if (config.Backend.Length > 0 || config.Platform is not ("" or "ensemble"))
                throw InferenceException.Invalid(
                    $"model '{config.Name}' has 'ensemble_scheduling', so its platform must be 'ensemble' and not " +
                    $"'{(config.Platform is "" or "ensemble" ? config.Backend : config.Platform)}'");
            config.Platform = "ensemble";
            return;
        }

        var engine = FromConfiguration(config);
        if (engine is null && config.Backend.Length == 0)
        {
            if (config.Platform.Length > 0)
                throw InferenceException.Invalid($"unexpected platform type '{config.Platform}' for {config.Name}");

            engine = FromFiles(versionFolder);
            if (engine is null)
                config.Backend = FromName(config.Name);
        }

        // An engine that this table does not know still gets the names that the configuration gives.
        engine ??= Engines.FirstOrDefault(e => e.Backend == config.Backend);
        if (engine is null)
            return;

        if (config.Backend.Length == 0)
            config.Backend = engine.Backend;
        if (config.Platform.Length == 0)
            config.Platform = engine.Platform;
        if (config.DefaultModelFilename.Length == 0)
            config.DefaultModelFilename = engine.FilenameIn(versionFolder);
    }

    private static Engine? FromConfiguration(ModelConfig config)
    {
        if (config.Platform.Length > 0)
        {
            var byPlatform = Engines.FirstOrDefault(e => e.Platform == config.Platform);
            if (byPlatform is not null && config.Backend.Length > 0 && config.Backend != byPlatform.Backend)
                throw InferenceException.Invalid(
                    $"model '{config.Name}' names platform '{config.Platform}' and backend '{config.Backend}', "
                    + "which do not belong together");

            return byPlatform;
        }

        if (config.Backend.Length > 0)
            return Engines.FirstOrDefault(
                e => e.Backend == config.Backend && e.Filenames.Contains(config.DefaultModelFilename));

        return config.DefaultModelFilename.Length == 0
            ? null
            : Engines.FirstOrDefault(e => e.Filenames.Contains(config.DefaultModelFilename));
    }

    // An ONNX model with external data may be a folder of that name.
    private static Engine? FromFiles(string versionFolder) =>
        Engines.FirstOrDefault(e => e.Filenames.Any(name => Path.Exists(Path.Combine(versionFolder, name))));

    private static string FromName(string model)
    {
        var dot = model.LastIndexOf('.');
        return dot > 0 && dot < model.Length - 1
            ? model[(dot + 1)..]
            : throw InferenceException.Invalid(
                $"Invalid model name: Could not determine backend for model '{model}' with no backend in model "
                + "configuration. Expected model name of the form 'model.<backend_name>'.");
    }

    /// <param name="Backend">The engine.</param>
    /// <param name="Platform">Its older name; may be empty.</param>
    /// <param name="Filenames">Files that it is told by, the usual one first.</param>
    private sealed record Engine(string Backend, string Platform, params string[] Filenames)
    {
        /// <summary>The first of its files that is there; an engine that reads many kinds and finds none looks itself.</summary>
        public string FilenameIn(string versionFolder) =>
            Filenames.FirstOrDefault(name => Path.Exists(Path.Combine(versionFolder, name))) ?? (Filenames.Length == 1 ? Filenames[0] : "");
    }
}
