using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Backends.OnnxRuntime.Interop;
using Sluice.Inference;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>Runs ONNX models through the ONNX Runtime library.</summary>
/// <remarks>
/// <para>The library is looked for at the first load, so a server without ONNX models does not need it. By default all
/// models share one set of threads, as many as there are cores; a model with an <c>intra_op_thread_count</c> of its own
/// gets its own.</para>
/// <para><b>Threads.</b> Any number of callers; executions run on the caller's thread.</para>
/// </remarks>
public sealed class OnnxRuntimeBackend : IBackend
{
    private readonly ILogger _logger;

    /// <summary>Makes the backend; loads nothing yet.</summary>
    /// <param name="loggerFactory">Receives the engine's messages; default nobody.</param>
    public OnnxRuntimeBackend(ILoggerFactory? loggerFactory = null)
    {
        _logger = loggerFactory?.CreateLogger<OnnxRuntimeBackend>() as ILogger ?? NullLogger.Instance;
    }

    /// <inheritdoc/>
    public string Name => "onnxruntime";

    /// <inheritdoc/>
    /// <exception cref="InferenceException"><see cref="InferenceCode.NotFound"/> when the file is missing,
    /// <see cref="InferenceCode.InvalidArgument"/> when the file or a parameter is wrong,
    /// <see cref="InferenceCode.FailedPrecondition"/> when the library or an accelerator is missing.</exception>
    public IBackendModel Load(ModelSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        OrtEnvironment environment;
        SessionSettings options;
        try
        {
            CheckFile(settings);
            options = SessionSettings.Read(settings);
            environment = OrtEnvironment.Get(
                _logger,
                SessionSettings.SharedThreads(settings, "intra_op_thread_count"),
                SessionSettings.SharedThreads(settings, "inter_op_thread_count"));
        }
        catch (InferenceException error)
        {
            throw OnnxErrors.Load(settings, error);
        }
        catch (OrtException error)
        {
            throw OnnxErrors.Load(settings, error);
        }

        return new OnnxModel(environment, settings, options, _logger);
    }

    /// <summary>Does nothing: what models share stays for the life of the process.</summary>
    public void Dispose()
    {
    }

    private static void CheckFile(ModelSettings settings)
    {
        var file = new FileInfo(OnnxSession.FileOf(settings));
        if (!file.Exists)
        {
            throw new InferenceException(
                InferenceCode.NotFound, $"there is no file '{settings.ModelFilename}' in its version folder");
        }

        if (file.Length == 0) throw InferenceException.Invalid($"its file '{settings.ModelFilename}' is empty");
    }
}
