using Sluice.Backends.OnnxRuntime.Interop;
using Sluice.Inference;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>A graph loaded for one device; runs any number of calls at a time.</summary>
internal sealed unsafe class OnnxSession : IDisposable
{
    private readonly OrtHandle _handle;

    private OnnxSession(OrtEnvironment environment, nint session)
    {
        Environment = environment;
        _handle = new OrtHandle(session, environment.Api.ReleaseSession);
        var reader = new GraphReader(environment.Api, environment.Allocator, session);
        try
        {
            Inputs = reader.ReadInputs();
            Outputs = reader.ReadOutputs();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public OrtEnvironment Environment { get; }

    public GraphTensor[] Inputs { get; } = [];

    public GraphTensor[] Outputs { get; } = [];

    /// <summary>The engine's object; valid until the dispose.</summary>
    public nint Value => _handle.Value;

    /// <summary>The model's file: what the configuration names, or <c>model.onnx</c> in it when that is a folder.</summary>
    public static string FileOf(ModelSettings model) =>
        Directory.Exists(model.ModelPath) ? Path.Combine(model.ModelPath, "model.onnx") : model.ModelPath;

    /// <summary>Loads a model file. Blocks; weights in files beside it are found by its path.</summary>
    public static OnnxSession Open(
        OrtEnvironment environment, ModelSettings model, SessionSettings settings, InstanceKind kind, int deviceId)
    {
        var api = environment.Api;
        nint value;
        api.Check(api.CreateSessionOptions(&value));
        using var options = new OrtHandle(value, api.ReleaseSessionOptions);
        Configure(api, value, model, settings);
        new ExecutionProviders(environment, model, value).Add(kind, deviceId);
        nint session = 0;

        // Threads of its own, and those of a device's library, would stay as slow as the one that started them.
        if (kind == InstanceKind.Cpu && model.Optimization.CpuAccelerators.IsEmpty && !settings.StartsThreads)
            LoadThread.Run(() => session = Create(environment, model, options.Value));
        else
            session = Create(environment, model, options.Value);
        return new OnnxSession(environment, session);
    }

    public void Dispose()
    {
        _handle.Dispose();
        foreach (var tensor in Inputs) NativeText.Free((void*)tensor.NativeName);
        foreach (var tensor in Outputs) NativeText.Free((void*)tensor.NativeName);
    }

    private static nint Create(OrtEnvironment environment, ModelSettings model, nint options)
    {
        nint session;
        fixed (byte* path = NativeText.Path(FileOf(model)))
            environment.Api.Check(environment.Api.CreateSession(environment.Handle.Value, path, options, &session));
        return session;
    }

    private static void Configure(OrtApi api, nint options, ModelSettings model, SessionSettings settings)
    {
        api.Check(api.SetSessionGraphOptimizationLevel(options, settings.GraphLevel));
        api.Check(api.SetSessionExecutionMode(options, settings.IsParallel ? 1 : 0));
        if (!settings.UsesArena) api.Check(api.DisableCpuMemArena(options));
        if (!settings.UsesMemoryPattern) api.Check(api.DisableMemPattern(options));
        if (settings.UsesSharedThreads)
        {
            api.Check(api.DisablePerSessionThreads(options));
        }
        else
        {
            if (settings.IntraOpThreads > 0) api.Check(api.SetIntraOpNumThreads(options, settings.IntraOpThreads));
            if (settings.InterOpThreads > 0) api.Check(api.SetInterOpNumThreads(options, settings.InterOpThreads));
        }

        fixed (byte* name = NativeText.Utf8(model.Name)) api.Check(api.SetSessionLogId(options, name));

        // As for the shared threads: waiting workers sleep, unless the configuration says otherwise.
        AddEntry(api, options, "session.intra_op.allow_spinning", "0");
        AddEntry(api, options, "session.inter_op.allow_spinning", "0");
        foreach (var (key, text) in settings.Entries) AddEntry(api, options, key, text);
    }

    private static void AddEntry(OrtApi api, nint options, string key, string text)
    {
        fixed (byte* nativeKey = NativeText.Utf8(key), nativeText = NativeText.Utf8(text))
        {
            api.Check(api.AddSessionConfigEntry(options, nativeKey, nativeText));
        }
    }
}
