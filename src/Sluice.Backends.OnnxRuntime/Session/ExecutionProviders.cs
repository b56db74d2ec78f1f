using System.Collections.Immutable;
using System.Globalization;
using Sluice.Backends.OnnxRuntime.Interop;
using Sluice.Inference;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>Adds accelerators to a session's options, in the order of the configuration.</summary>
internal sealed unsafe class ExecutionProviders(OrtEnvironment environment, ModelSettings settings, nint options)
{
    // The configuration's older names of TensorRT's options.
    private static readonly Dictionary<string, string> TensorRtNames = new()
    {
        ["max_workspace_size_bytes"] = "trt_max_workspace_size",
        ["int8_calibration_table_name"] = "trt_int8_calibration_table_name",
        ["int8_use_native_calibration_table"] = "trt_int8_use_native_calibration_table",
    };

    private readonly OrtApi _api = environment.Api;
    private string _adding = "";

    /// <summary>Adds what the configuration asks for at this place.</summary>
    /// <exception cref="InferenceException">The library lacks an accelerator, or the accelerator refused.</exception>
    public void Add(InstanceKind kind, int deviceId)
    {
        try
        {
            AddAll(kind, deviceId);
        }
        catch (OrtException error)
        {
            // A library may know an accelerator whose own library, or whose driver, is not there.
            throw new InferenceException(
                InferenceCode.FailedPrecondition,
                $"accelerator '{_adding}' could not be loaded: {OnnxErrors.Clean(error.Message)}; set "
                + $"{OnnxRuntimeLibrary.PathVariable} to a build that has it",
                error);
        }
    }

    private void AddAll(InstanceKind kind, int deviceId)
    {
        if (kind != InstanceKind.Gpu)
        {
            foreach (var accelerator in settings.Optimization.CpuAccelerators) AddNamed(accelerator, deviceId);
            return;
        }

        foreach (var accelerator in settings.Optimization.GpuAccelerators) AddNamed(accelerator, deviceId);
        if (!settings.Optimization.GpuAccelerators.Any(accelerator => accelerator.Name == "cuda"))
        {
            // What TensorRT does not take, and everything without an accelerator, runs on CUDA.
            AddCuda(ImmutableDictionary<string, string>.Empty, deviceId);
        }
    }

    private void AddNamed(AcceleratorSettings accelerator, int deviceId)
    {
        switch (accelerator.Name)
        {
            case "cuda":
                AddCuda(accelerator.Parameters, deviceId);
                break;
            case "tensorrt":
                AddTensorRt(accelerator.Parameters, deviceId);
                break;
            case "openvino":
                Require("OpenVINOExecutionProvider", accelerator.Name);
                AppendOpenVino(accelerator.Parameters);
                break;
            default:
                throw InferenceException.Invalid(
                    $"unknown execution accelerator '{accelerator.Name}'; known are cuda, tensorrt and openvino");
        }
    }

    private void AddCuda(ImmutableDictionary<string, string> parameters, int deviceId)
    {
        Require("CUDAExecutionProvider", "cuda");
        var entries = new Dictionary<string, string> { ["device_id"] = deviceId.ToString(CultureInfo.InvariantCulture) };
        AddLegacy(entries, "cudnn_conv_algo_search", ["EXHAUSTIVE", "HEURISTIC", "DEFAULT"]);
        AddLegacy(entries, "gpu_mem_limit", []);
        AddLegacy(entries, "arena_extend_strategy", ["kNextPowerOfTwo", "kSameAsRequested"]);
        AddLegacy(entries, "do_copy_in_default_stream", []);
        foreach (var (key, value) in parameters) entries[key] = value;
        Append(entries, _api.CreateCUDAProviderOptions, _api.UpdateCUDAProviderOptions, _api.AppendCuda,
            _api.ReleaseCUDAProviderOptions);
    }

    private void AddTensorRt(ImmutableDictionary<string, string> parameters, int deviceId)
    {
        Require("TensorrtExecutionProvider", "tensorrt");
        var entries = new Dictionary<string, string> { ["device_id"] = deviceId.ToString(CultureInfo.InvariantCulture) };
        foreach (var (key, value) in parameters)
        {
            if (key == "precision_mode") AddPrecision(entries, value);
            else entries[TensorRtNames.GetValueOrDefault(key, key)] = value;
        }

        Append(entries, _api.CreateTensorRTProviderOptions, _api.UpdateTensorRTProviderOptions, _api.AppendTensorRT,
            _api.ReleaseTensorRTProviderOptions);
    }

    private static void AddPrecision(Dictionary<string, string> entries, string mode)
    {
        switch (mode)
        {
            case "FP32":
                break;
            case "FP16" or "BF16" or "INT8":
                entries[$"trt_{mode.ToLowerInvariant()}_enable"] = "1";
                break;
            default:
                throw InferenceException.Invalid(
                    $"tensorrt's precision_mode is '{mode}', not FP32, FP16, BF16 or INT8");
        }
    }

    private void AddLegacy(Dictionary<string, string> entries, string key, string[] names)
    {
        if (!settings.Parameters.TryGetValue(key, out var value)) return;
        var isNumber = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number);
        entries[key] = isNumber && number < names.Length ? names[number] : value;
    }

    private void Append(
        Dictionary<string, string> entries,
        delegate* unmanaged[Cdecl]<nint*, nint> create,
        delegate* unmanaged[Cdecl]<nint, byte**, byte**, nuint, nint> update,
        delegate* unmanaged[Cdecl]<nint, nint, nint> append,
        delegate* unmanaged[Cdecl]<nint, void> release)
    {
        nint value;
        _api.Check(create(&value));
        using var provider = new OrtHandle(value, release);
        using var keys = new NativeTextList(entries.Keys);
        using var values = new NativeTextList(entries.Values);
        fixed (nint* firstKey = keys.Pointers, firstValue = values.Pointers)
        {
            _api.Check(update(value, (byte**)firstKey, (byte**)firstValue, keys.Count));
        }

        _api.Check(append(options, value));
    }

    private void AppendOpenVino(ImmutableDictionary<string, string> entries)
    {
        using var keys = new NativeTextList(entries.Keys);
        using var values = new NativeTextList(entries.Values);
        fixed (byte* name = "OpenVINO\0"u8)
        fixed (nint* firstKey = keys.Pointers, firstValue = values.Pointers)
        {
            _api.Check(_api.AppendProvider(options, name, (byte**)firstKey, (byte**)firstValue, keys.Count));
        }
    }

    private void Require(string provider, string accelerator)
    {
        _adding = accelerator;
        if (environment.Providers.Contains(provider)) return;
        throw new InferenceException(
            InferenceCode.FailedPrecondition,
            $"accelerator '{accelerator}' needs {provider}, but the ONNX Runtime library {environment.Library.Path} "
            + $"({environment.Library.Version}) has only {string.Join(", ", environment.Providers)}; set "
            + $"{OnnxRuntimeLibrary.PathVariable} to a build that has it");
    }
}
