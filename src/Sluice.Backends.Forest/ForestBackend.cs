using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Backends.Forest.Formats;
using Sluice.Backends.Forest.Trees;
using Sluice.Inference;

namespace Sluice.Backends.Forest;

/// <summary>Has a file that scikit-learn saved written in the server's own format, in a process of its own.</summary>
/// <param name="settings">The model.</param>
/// <param name="file">The file.</param>
/// <param name="mostBytes">Largest result.</param>
/// <returns>The forest, not checked.</returns>
public delegate byte[] ForestExport(ModelSettings settings, string file, long mostBytes);

/// <summary>Runs tree ensembles from the files of XGBoost, LightGBM, CatBoost and ONNX, without these libraries, and those of scikit-learn by an export.</summary>
/// <remarks><b>Threads.</b> Any number of callers; executions run on the caller's thread.</remarks>
public sealed class ForestBackend : IBackend
{
    private static readonly string[] Names = ["forest", "fil", "xgboost", "lightgbm", "catboost"];

    private readonly ForestExport? _export;
    private readonly ILogger _logger;

    private ForestBackend(string name, ForestExport? export, ILogger logger)
    {
        Name = name;
        _export = export;
        _logger = logger;
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>Makes the engine under each of its names: <c>forest</c>, <c>fil</c>, <c>xgboost</c>, <c>lightgbm</c>,
    /// <c>catboost</c>.</summary>
    /// <param name="loggers">Receives what was loaded and how it was laid out; default nobody.</param>
    /// <param name="export">Opens what scikit-learn saved; null = such files are refused.</param>
    public static IReadOnlyList<IBackend> Create(ILoggerFactory? loggers = null, ForestExport? export = null)
    {
        var logger = loggers?.CreateLogger<ForestBackend>() as ILogger ?? NullLogger.Instance;
        return [.. Names.Select(name => new ForestBackend(name, export, logger))];
    }

    /// <inheritdoc/>
    /// <exception cref="InferenceException"><see cref="InferenceCode.NotFound"/> when there is no model file,
    /// <see cref="InferenceCode.InvalidArgument"/> when the file or a parameter is wrong.</exception>
    public IBackendModel Load(ModelSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var file = FindFile(settings);
        try
        {
            var forest = ForestParameters.Configure(settings, Read(settings, file));
            var parameters = ForestParameters.Read(settings, forest);
            var model = new ForestModel(parameters.Apply(forest), parameters, settings);
            ForestLog.Loaded(_logger, settings.Name, model.Summary);
            return model;
        }
        catch (ForestFormatException error)
        {
            throw new InferenceException(
                InferenceCode.InvalidArgument, $"model '{settings.Name}': its file '{Path.GetFileName(file)}' cannot be read: {error.Message}", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InferenceException(
                InferenceCode.InvalidArgument,
                $"model '{settings.Name}': its file '{Path.GetFileName(file)}' cannot be opened: {error.GetType().Name}", error);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private TreeEnsemble Read(ModelSettings settings, string file)
    {
        var bytes = ForestFile.ReadBytes(file);
        return ForestFile.IsPickle(bytes) && _export is not null
            ? ForestFile.Read(_export(settings, file, ForestFile.MaxBytes))
            : ForestFile.Read(bytes);
    }

    /// <summary>The configured file, or the only one in the version's folder.</summary>
    private static string FindFile(ModelSettings settings)
    {
        if (settings.ModelFilename.Length > 0 && File.Exists(settings.ModelPath))
            return settings.ModelPath;
        if (settings.ModelFilename.Length == 0 && Directory.Exists(settings.VersionFolder) &&
            Directory.GetFiles(settings.VersionFolder) is [var only])
            return only;
        throw new InferenceException(InferenceCode.NotFound, settings.ModelFilename.Length > 0
            ? $"there is no file '{settings.ModelFilename}' in its version folder"
            : "its version folder does not hold one model file; name it in default_model_filename");
    }
}
