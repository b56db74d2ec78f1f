namespace Sluice.Backends.OnnxRuntime.Interop;

/// <summary>The engine's C functions that we use, read once from its table by position.</summary>
/// <remarks>
/// The table only ever grows at its end, so a position holds for every later release. Functions return a status, null
/// when all went well; pass it to <see cref="Check"/>. Opaque objects are <c>nint</c>.
/// </remarks>
internal sealed unsafe class OrtApi
{
    /// <summary>The oldest table that has all that is called here, and the newest one we know something of.</summary>
    public const int OldestVersion = 17;

    /// <summary>The version with <see cref="HasShape"/>.</summary>
    public const int NewestVersion = 24;

    public readonly delegate* unmanaged[Cdecl]<nint, int> GetErrorCode;
    public readonly delegate* unmanaged[Cdecl]<nint, byte*> GetErrorMessage;
    public readonly delegate* unmanaged[Cdecl]<nint, nint> DisableTelemetryEvents;
    public readonly delegate* unmanaged[Cdecl]<nint, void*, nint, nint*, nint> CreateSession;
    public readonly delegate* unmanaged[Cdecl]<nint, nint, byte**, nint*, nuint, byte**, nuint, nint*, nint> Run;
    public readonly delegate* unmanaged[Cdecl]<nint*, nint> CreateSessionOptions;
    public readonly delegate* unmanaged[Cdecl]<nint, int, nint> SetSessionExecutionMode;
    public readonly delegate* unmanaged[Cdecl]<nint, nint> DisableMemPattern;
    public readonly delegate* unmanaged[Cdecl]<nint, nint> DisableCpuMemArena;
    public readonly delegate* unmanaged[Cdecl]<nint, byte*, nint> SetSessionLogId;
    public readonly delegate* unmanaged[Cdecl]<nint, int, nint> SetSessionGraphOptimizationLevel;
    public readonly delegate* unmanaged[Cdecl]<nint, int, nint> SetIntraOpNumThreads;
    public readonly delegate* unmanaged[Cdecl]<nint, int, nint> SetInterOpNumThreads;
    public readonly delegate* unmanaged[Cdecl]<nint, nuint*, nint> SessionGetInputCount;
    public readonly delegate* unmanaged[Cdecl]<nint, nuint*, nint> SessionGetOutputCount;
    public readonly delegate* unmanaged[Cdecl]<nint, nuint*, nint> SessionGetInitializerCount;
    public readonly delegate* unmanaged[Cdecl]<nint, nuint, nint*, nint> SessionGetInputTypeInfo;
    public readonly delegate* unmanaged[Cdecl]<nint, nuint, nint*, nint> SessionGetOutputTypeInfo;
    public readonly delegate* unmanaged[Cdecl]<nint, nuint, nint*, nint> SessionGetInitializerTypeInfo;
    public readonly delegate* unmanaged[Cdecl]<nint, nuint, nint, byte**, nint> SessionGetInputName;
    public readonly delegate* unmanaged[Cdecl]<nint, nuint, nint, byte**, nint> SessionGetOutputName;
    public readonly delegate* unmanaged[Cdecl]<nint, nuint, nint, byte**, nint> SessionGetInitializerName;
    public readonly delegate* unmanaged[Cdecl]<nint*, nint> CreateRunOptions;
    public readonly delegate* unmanaged[Cdecl]<nint, int, nint> RunOptionsSetRunLogSeverityLevel;
    public readonly delegate* unmanaged[Cdecl]<nint, nint> RunOptionsSetTerminate;
    public readonly delegate* unmanaged[Cdecl]<nint, nint> RunOptionsUnsetTerminate;
    public readonly delegate* unmanaged[Cdecl]<nint, long*, nuint, int, nint*, nint> CreateTensorAsOrtValue;
    public readonly delegate* unmanaged[Cdecl]<nint, void*, nuint, long*, nuint, int, nint*, nint> CreateTensorWithDataAsOrtValue;
    public readonly delegate* unmanaged[Cdecl]<nint, void**, nint> GetTensorMutableData;
    public readonly delegate* unmanaged[Cdecl]<nint, nuint*, nint> GetStringTensorDataLength;
    public readonly delegate* unmanaged[Cdecl]<nint, void*, nuint, nuint*, nuint, nint> GetStringTensorContent;
    public readonly delegate* unmanaged[Cdecl]<nint, nint*, nint> CastTypeInfoToTensorInfo;
    public readonly delegate* unmanaged[Cdecl]<nint, int*, nint> GetOnnxTypeFromTypeInfo;
    public readonly delegate* unmanaged[Cdecl]<nint, int*, nint> GetTensorElementType;
    public readonly delegate* unmanaged[Cdecl]<nint, nuint*, nint> GetDimensionsCount;
    public readonly delegate* unmanaged[Cdecl]<nint, long*, nuint, nint> GetDimensions;
    public readonly delegate* unmanaged[Cdecl]<nint, byte**, nuint, nint> GetSymbolicDimensions;
    public readonly delegate* unmanaged[Cdecl]<nint, nint*, nint> GetTensorTypeAndShape;
    public readonly delegate* unmanaged[Cdecl]<int, int, nint*, nint> CreateCpuMemoryInfo;
    public readonly delegate* unmanaged[Cdecl]<nint, void*, nint> AllocatorFree;
    public readonly delegate* unmanaged[Cdecl]<nint*, nint> GetAllocatorWithDefaultOptions;
    public readonly delegate* unmanaged[Cdecl]<nint, void> ReleaseEnv;
    public readonly delegate* unmanaged[Cdecl]<nint, void> ReleaseStatus;
    public readonly delegate* unmanaged[Cdecl]<nint, void> ReleaseMemoryInfo;
    public readonly delegate* unmanaged[Cdecl]<nint, void> ReleaseSession;
    public readonly delegate* unmanaged[Cdecl]<nint, void> ReleaseValue;
    public readonly delegate* unmanaged[Cdecl]<nint, void> ReleaseRunOptions;
    public readonly delegate* unmanaged[Cdecl]<nint, void> ReleaseTypeInfo;
    public readonly delegate* unmanaged[Cdecl]<nint, void> ReleaseTensorTypeAndShapeInfo;
    public readonly delegate* unmanaged[Cdecl]<nint, void> ReleaseSessionOptions;
    public readonly delegate* unmanaged[Cdecl]<nint, nint> DisablePerSessionThreads;
    public readonly delegate* unmanaged[Cdecl]<nint*, nint> CreateThreadingOptions;
    public readonly delegate* unmanaged[Cdecl]<nint, void> ReleaseThreadingOptions;
    public readonly delegate* unmanaged[Cdecl]<byte***, int*, nint> GetAvailableProviders;
    public readonly delegate* unmanaged[Cdecl]<byte**, int, nint> ReleaseAvailableProviders;
    public readonly delegate* unmanaged[Cdecl]<nint, byte*, byte*, nint> AddSessionConfigEntry;
    public readonly delegate* unmanaged[Cdecl]<nint, int, nint> SetGlobalIntraOpNumThreads;
    public readonly delegate* unmanaged[Cdecl]<nint, int, nint> SetGlobalInterOpNumThreads;
    public readonly delegate* unmanaged[Cdecl]<nint, int, nint> SetGlobalSpinControl;
    public readonly delegate* unmanaged[Cdecl]<void*, void*, int, byte*, nint, nint*, nint> CreateEnv;
    public readonly delegate* unmanaged[Cdecl]<nint, byte*, byte*, nint> AddRunConfigEntry;
    public readonly delegate* unmanaged[Cdecl]<nint, nint, nint> AppendTensorRT;
    public readonly delegate* unmanaged[Cdecl]<nint*, nint> CreateTensorRTProviderOptions;
    public readonly delegate* unmanaged[Cdecl]<nint, byte**, byte**, nuint, nint> UpdateTensorRTProviderOptions;
    public readonly delegate* unmanaged[Cdecl]<nint, void> ReleaseTensorRTProviderOptions;
    public readonly delegate* unmanaged[Cdecl]<nint, nint, nint> AppendCuda;
    public readonly delegate* unmanaged[Cdecl]<nint*, nint> CreateCUDAProviderOptions;
    public readonly delegate* unmanaged[Cdecl]<nint, byte**, byte**, nuint, nint> UpdateCUDAProviderOptions;
    public readonly delegate* unmanaged[Cdecl]<nint, void> ReleaseCUDAProviderOptions;
    public readonly delegate* unmanaged[Cdecl]<nint, byte*, byte**, byte**, nuint, nint> AppendProvider;
    public readonly delegate* unmanaged[Cdecl]<nint, nuint, nuint, byte**, nint> GetResizedStringTensorElementBuffer;

    /// <summary>Null in libraries before 1.24, which cannot tell "no shape" from "scalar".</summary>
    public readonly delegate* unmanaged[Cdecl]<nint, byte> HasShape;

    public OrtApi(nint* table, int version)
    {
        GetErrorCode = (delegate* unmanaged[Cdecl]<nint, int>)table[1];
        GetErrorMessage = (delegate* unmanaged[Cdecl]<nint, byte*>)table[2];
        DisableTelemetryEvents = (delegate* unmanaged[Cdecl]<nint, nint>)table[6];
        CreateSession = (delegate* unmanaged[Cdecl]<nint, void*, nint, nint*, nint>)table[7];
        Run = (delegate* unmanaged[Cdecl]<nint, nint, byte**, nint*, nuint, byte**, nuint, nint*, nint>)table[9];
        CreateSessionOptions = (delegate* unmanaged[Cdecl]<nint*, nint>)table[10];
        SetSessionExecutionMode = (delegate* unmanaged[Cdecl]<nint, int, nint>)table[13];
        DisableMemPattern = (delegate* unmanaged[Cdecl]<nint, nint>)table[17];
        DisableCpuMemArena = (delegate* unmanaged[Cdecl]<nint, nint>)table[19];
        SetSessionLogId = (delegate* unmanaged[Cdecl]<nint, byte*, nint>)table[20];
        SetSessionGraphOptimizationLevel = (delegate* unmanaged[Cdecl]<nint, int, nint>)table[23];
        SetIntraOpNumThreads = (delegate* unmanaged[Cdecl]<nint, int, nint>)table[24];
        SetInterOpNumThreads = (delegate* unmanaged[Cdecl]<nint, int, nint>)table[25];
        SessionGetInputCount = (delegate* unmanaged[Cdecl]<nint, nuint*, nint>)table[30];
        SessionGetOutputCount = (delegate* unmanaged[Cdecl]<nint, nuint*, nint>)table[31];
        SessionGetInitializerCount = (delegate* unmanaged[Cdecl]<nint, nuint*, nint>)table[32];
        SessionGetInputTypeInfo = (delegate* unmanaged[Cdecl]<nint, nuint, nint*, nint>)table[33];
        SessionGetOutputTypeInfo = (delegate* unmanaged[Cdecl]<nint, nuint, nint*, nint>)table[34];
        SessionGetInitializerTypeInfo = (delegate* unmanaged[Cdecl]<nint, nuint, nint*, nint>)table[35];
        SessionGetInputName = (delegate* unmanaged[Cdecl]<nint, nuint, nint, byte**, nint>)table[36];
        SessionGetOutputName = (delegate* unmanaged[Cdecl]<nint, nuint, nint, byte**, nint>)table[37];
        SessionGetInitializerName = (delegate* unmanaged[Cdecl]<nint, nuint, nint, byte**, nint>)table[38];
        CreateRunOptions = (delegate* unmanaged[Cdecl]<nint*, nint>)table[39];
        RunOptionsSetRunLogSeverityLevel = (delegate* unmanaged[Cdecl]<nint, int, nint>)table[41];
        RunOptionsSetTerminate = (delegate* unmanaged[Cdecl]<nint, nint>)table[46];
        RunOptionsUnsetTerminate = (delegate* unmanaged[Cdecl]<nint, nint>)table[47];
        CreateTensorAsOrtValue = (delegate* unmanaged[Cdecl]<nint, long*, nuint, int, nint*, nint>)table[48];
        CreateTensorWithDataAsOrtValue = (delegate* unmanaged[Cdecl]<nint, void*, nuint, long*, nuint, int, nint*, nint>)table[49];
        GetTensorMutableData = (delegate* unmanaged[Cdecl]<nint, void**, nint>)table[51];
        GetStringTensorDataLength = (delegate* unmanaged[Cdecl]<nint, nuint*, nint>)table[53];
        GetStringTensorContent = (delegate* unmanaged[Cdecl]<nint, void*, nuint, nuint*, nuint, nint>)table[54];
        CastTypeInfoToTensorInfo = (delegate* unmanaged[Cdecl]<nint, nint*, nint>)table[55];
        GetOnnxTypeFromTypeInfo = (delegate* unmanaged[Cdecl]<nint, int*, nint>)table[56];
        GetTensorElementType = (delegate* unmanaged[Cdecl]<nint, int*, nint>)table[60];
        GetDimensionsCount = (delegate* unmanaged[Cdecl]<nint, nuint*, nint>)table[61];
        GetDimensions = (delegate* unmanaged[Cdecl]<nint, long*, nuint, nint>)table[62];
        GetSymbolicDimensions = (delegate* unmanaged[Cdecl]<nint, byte**, nuint, nint>)table[63];
        GetTensorTypeAndShape = (delegate* unmanaged[Cdecl]<nint, nint*, nint>)table[65];
        CreateCpuMemoryInfo = (delegate* unmanaged[Cdecl]<int, int, nint*, nint>)table[69];
        AllocatorFree = (delegate* unmanaged[Cdecl]<nint, void*, nint>)table[76];
        GetAllocatorWithDefaultOptions = (delegate* unmanaged[Cdecl]<nint*, nint>)table[78];
        ReleaseEnv = (delegate* unmanaged[Cdecl]<nint, void>)table[92];
        ReleaseStatus = (delegate* unmanaged[Cdecl]<nint, void>)table[93];
        ReleaseMemoryInfo = (delegate* unmanaged[Cdecl]<nint, void>)table[94];
        ReleaseSession = (delegate* unmanaged[Cdecl]<nint, void>)table[95];
        ReleaseValue = (delegate* unmanaged[Cdecl]<nint, void>)table[96];
        ReleaseRunOptions = (delegate* unmanaged[Cdecl]<nint, void>)table[97];
        ReleaseTypeInfo = (delegate* unmanaged[Cdecl]<nint, void>)table[98];
        ReleaseTensorTypeAndShapeInfo = (delegate* unmanaged[Cdecl]<nint, void>)table[99];
        ReleaseSessionOptions = (delegate* unmanaged[Cdecl]<nint, void>)table[100];
        DisablePerSessionThreads = (delegate* unmanaged[Cdecl]<nint, nint>)table[120];
        CreateThreadingOptions = (delegate* unmanaged[Cdecl]<nint*, nint>)table[121];
        ReleaseThreadingOptions = (delegate* unmanaged[Cdecl]<nint, void>)table[122];
        GetAvailableProviders = (delegate* unmanaged[Cdecl]<byte***, int*, nint>)table[125];
        ReleaseAvailableProviders = (delegate* unmanaged[Cdecl]<byte**, int, nint>)table[126];
        AddSessionConfigEntry = (delegate* unmanaged[Cdecl]<nint, byte*, byte*, nint>)table[130];
        SetGlobalIntraOpNumThreads = (delegate* unmanaged[Cdecl]<nint, int, nint>)table[147];
        SetGlobalInterOpNumThreads = (delegate* unmanaged[Cdecl]<nint, int, nint>)table[148];
        SetGlobalSpinControl = (delegate* unmanaged[Cdecl]<nint, int, nint>)table[149];
        CreateEnv = (delegate* unmanaged[Cdecl]<void*, void*, int, byte*, nint, nint*, nint>)table[151];
        AddRunConfigEntry = (delegate* unmanaged[Cdecl]<nint, byte*, byte*, nint>)table[165];
        AppendTensorRT = (delegate* unmanaged[Cdecl]<nint, nint, nint>)table[170];
        CreateTensorRTProviderOptions = (delegate* unmanaged[Cdecl]<nint*, nint>)table[171];
        UpdateTensorRTProviderOptions = (delegate* unmanaged[Cdecl]<nint, byte**, byte**, nuint, nint>)table[172];
        ReleaseTensorRTProviderOptions = (delegate* unmanaged[Cdecl]<nint, void>)table[174];
        AppendCuda = (delegate* unmanaged[Cdecl]<nint, nint, nint>)table[204];
        CreateCUDAProviderOptions = (delegate* unmanaged[Cdecl]<nint*, nint>)table[205];
        UpdateCUDAProviderOptions = (delegate* unmanaged[Cdecl]<nint, byte**, byte**, nuint, nint>)table[206];
        ReleaseCUDAProviderOptions = (delegate* unmanaged[Cdecl]<nint, void>)table[208];
        AppendProvider = (delegate* unmanaged[Cdecl]<nint, byte*, byte**, byte**, nuint, nint>)table[216];
        GetResizedStringTensorElementBuffer = (delegate* unmanaged[Cdecl]<nint, nuint, nuint, byte**, nint>)table[252];
        if (version >= 24) HasShape = (delegate* unmanaged[Cdecl]<nint, byte>)table[390];
    }

    /// <summary>Throws what a status says, and frees it; null is success.</summary>
    public void Check(nint status)
    {
        if (status != 0) throw Take(status);
    }

    /// <summary>Turns a failed status into an exception, and frees it.</summary>
    public OrtException Take(nint status)
    {
        var code = (OrtErrorCode)GetErrorCode(status);
        var message = NativeText.Read(GetErrorMessage(status));
        ReleaseStatus(status);
        return new OrtException(code, message);
    }
}
