using System.Text.Json;
using System.Text.Json.Nodes;
using Sluice.Backends.Python.Workers;
using Sluice.Inference;

namespace Sluice.Backends.Python.Models;

/// <summary>A model whose code has been imported in a first process, which becomes that of the first instance.</summary>
internal sealed class PythonModel : IBackendModel
{
    private readonly PythonRuntime _runtime;
    private readonly bool _asksReadiness;
    private WorkerHost? _first;
    private WorkerClientProxy? _proxy;

    private PythonModel(PythonRuntime runtime, WorkerHost first, WorkerClientProxy proxy, string? completed, bool asksReadiness)
    {
        _runtime = runtime;
        _first = first;
        _proxy = proxy;
        _asksReadiness = asksReadiness;
        Description = new ModelDescription([], []) { IsOpen = true, CompletedConfig = completed };
    }

    /// <inheritdoc/>
    public ModelDescription Description { get; }

    /// <summary>Imports the code and lets it complete the configuration.</summary>
    /// <exception cref="InferenceException">It cannot be imported; the message has the traceback.</exception>
    public static PythonModel Load(PythonRuntime runtime, ModelSettings settings)
    {
        var proxy = new WorkerClientProxy(runtime, settings.Name);
        var host = new WorkerHost(PlanOf(runtime, settings, FirstInstanceOf(settings)), proxy, runtime.Logger, runtime.Time);
        try
        {
            var answer = host.LoadAsync(runtime.Stopping).GetAwaiter().GetResult();
            using var document = JsonDocument.Parse(answer);
            var root = document.RootElement;
            return new PythonModel(
                runtime, host, proxy, root.GetProperty("completed").GetString(), root.GetProperty("is_ready").GetBoolean());
        }
        catch
        {
            host.DisposeAsync().AsTask().GetAwaiter().GetResult();
            throw;
        }
    }

    /// <inheritdoc/>
    public IModelInstance CreateInstance(ModelSettings settings, InstancePlacement placement)
    {
        var plan = PlanOf(_runtime, settings, placement.Name) with { InitializeJson = ArgumentsOf(settings, placement) };
        var (host, proxy) = (_first, _proxy);
        (_first, _proxy) = (null, null);
        if (settings.IsDecoupled)
        {
            var stream = new PythonStreamInstance(settings, _runtime, plan, host, proxy);
            return Initialize(stream, () => stream.Initialize(plan), stream.FollowReadiness);
        }

        var instance = new PythonInstance(settings, _runtime, plan, host, proxy);
        return Initialize(instance, () => instance.Initialize(plan), instance.FollowReadiness);
    }

    /// <inheritdoc/>
    public void Dispose() => _first?.DisposeAsync().AsTask().GetAwaiter().GetResult();

    private IModelInstance Initialize(IModelInstance instance, Action initialize, Action follow)
    {
        try
        {
            initialize();
        }
        catch
        {
            instance.Dispose();
            throw;
        }

        if (_asksReadiness)
            follow();
        return instance;
    }

    /// <summary>The name of the instance that the first process will be, so that its end tells of that one.</summary>
    private static string FirstInstanceOf(ModelSettings settings) => settings.InstanceGroups switch
    {
        [] => $"{settings.Name}_0",
        [{ Name.Length: > 0 } group, ..] => $"{group.Name}_0",
        _ => $"{settings.Name}_0_0",
    };

    private static WorkerPlan PlanOf(PythonRuntime runtime, ModelSettings settings, string name)
    {
        var plan = WorkerPlans.Create(
            runtime, settings.Name, name, settings.ModelFolder, WorkerPlans.SettingsOf(settings), new JsonObject
            {
                ["kind"] = IsSklearn(settings) ? "sklearn" : "model",
                ["model_name"] = settings.Name,
                ["file"] = settings.EngineCode ?? FindFile(settings),
                ["version_folder"] = settings.VersionFolder,
                ["config"] = settings.ConfigJson,
                ["auto_complete"] = settings.AutoCompletes,
            });

        // Loads have threads that may block.
        return runtime.Packages.AddAsync(plan, takesExtra: false, runtime.Stopping).GetAwaiter().GetResult();
    }

    private static bool IsSklearn(ModelSettings settings) => settings is { Backend: "sklearn", EngineCode: null };

    /// <summary>The model's file; an only file that pickle wrote needs no usual name.</summary>
    private static string FindFile(ModelSettings settings)
    {
        if (File.Exists(settings.ModelPath))
            return settings.ModelPath;
        var others = IsSklearn(settings) && settings.ModelFilename.Length == 0
            ? Directory.EnumerateFiles(settings.VersionFolder).Where(file => Path.GetExtension(file) is ".pkl" or ".joblib").ToArray()
            : [];
        var wanted = settings.ModelFilename.Length > 0 ? settings.ModelFilename : "model.joblib or model.pkl";
        return others.Length == 1
            ? others[0]
            : throw InferenceException.Invalid($"model '{settings.Name}' has no file '{wanted}' in version {settings.Version}");
    }

    private static string ArgumentsOf(ModelSettings settings, InstancePlacement placement) => new JsonObject
    {
        ["args"] = new JsonObject
        {
            ["model_config"] = settings.ConfigJson,
            ["model_instance_kind"] = placement.Kind switch
            {
                InstanceKind.Gpu => "GPU",
                InstanceKind.Model => "MODEL",
                _ => "CPU",
            },
            ["model_instance_name"] = placement.Name,
            ["model_instance_device_id"] = placement.DeviceId.ToString(System.Globalization.CultureInfo.InvariantCulture),
            ["model_repository"] = settings.ModelFolder,
            ["model_version"] = settings.Version,
            ["model_name"] = settings.Name,
        },
    }.ToJsonString();
}
