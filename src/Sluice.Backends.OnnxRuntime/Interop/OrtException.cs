namespace Sluice.Backends.OnnxRuntime.Interop;

/// <summary>The engine's error codes.</summary>
internal enum OrtErrorCode
{
    Ok,
    Fail,
    InvalidArgument,
    NoSuchFile,
    NoModel,
    EngineError,
    RuntimeException,
    InvalidProtobuf,
    ModelLoaded,
    NotImplemented,
    InvalidGraph,
    ProviderFail,
}

/// <summary>A failed call of the engine; never leaves this project.</summary>
internal sealed class OrtException(OrtErrorCode code, string message) : Exception(message)
{
    public OrtErrorCode Code { get; } = code;
}
