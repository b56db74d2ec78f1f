using Microsoft.Extensions.Logging;
using Sluice.Backends.OnnxRuntime.Interop;
using Sluice.Inference;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>A model file with one session for each device that its instances run on.</summary>
internal sealed class OnnxModel : IBackendModel
{
    private readonly OrtEnvironment _environment;
    private readonly SessionSettings _options;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly Dictionary<(InstanceKind Kind, int Device), AdaptiveSession> _sessions = [];
    private OutputShapePlan? _shapes;
    private ModelSettings? _planned;

    public OnnxModel(OrtEnvironment environment, ModelSettings settings, SessionSettings options, ILogger logger)
    {
        _environment = environment;
        _options = options;
        _logger = logger;

        // Graph and weights are read for the device that will need them, so that a file is not loaded twice.
        var session = Session(settings, FirstPlace(settings)).Current;

        // A default value that may be overridden is mostly a weight of an old exporter; it becomes an input only when
        // the configuration asks for it by name.
        var inputs = session.Inputs.Where(
            tensor => !tensor.IsOptional || settings.Inputs.Any(wanted => wanted.Name == tensor.Name));
        Description = new ModelDescription(
            [.. inputs.Select(tensor => tensor.Describe())],
            [.. session.Outputs.Select(tensor => tensor.Describe())])
        {
            HasLoops = File.Exists(settings.ModelPath) && GraphLoops.AreIn(settings.ModelPath),
        };
    }

    public ModelDescription Description { get; }

    /// <summary>The sessions by place, for tests.</summary>
    internal IReadOnlyCollection<AdaptiveSession> Sessions => _sessions.Values;

    public IModelInstance CreateInstance(ModelSettings settings, InstancePlacement placement)
    {
        lock (_gate)
        {
            var sessions = Session(settings, Place(placement.Kind, placement.DeviceId));
            var session = sessions.Current;
            if (!ReferenceEquals(settings, _planned))
            {
                // One plan for all instances: what one learns of a wrong shape, the others need not find out.
                _shapes = new OutputShapePlan(
                    settings,
                    TensorBinding.Bind(settings.Inputs, session.Inputs, settings, "input"),
                    TensorBinding.Bind(settings.Outputs, session.Outputs, settings, "output"));
                _planned = settings;
            }

            return new OnnxModelInstance(sessions, settings, _options, _shapes!, _logger);
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            foreach (var session in _sessions.Values) session.Dispose();
            _sessions.Clear();
        }
    }

    private static (InstanceKind Kind, int Device) FirstPlace(ModelSettings settings)
    {
        if (settings.InstanceGroups.IsDefaultOrEmpty) return (InstanceKind.Cpu, 0);
        var group = settings.InstanceGroups[0];
        return Place(group.Kind, group.Gpus.IsDefaultOrEmpty ? 0 : group.Gpus[0]);
    }

    // The engine has no opinion of its own about devices, so "the model decides" is the CPU.
    private static (InstanceKind Kind, int Device) Place(InstanceKind kind, int device) =>
        kind == InstanceKind.Gpu ? (kind, device) : (InstanceKind.Cpu, 0);

    private AdaptiveSession Session(ModelSettings settings, (InstanceKind Kind, int Device) place)
    {
        if (_sessions.TryGetValue(place, out var session)) return session;
        try
        {
            session = AdaptiveSession.Open(_environment, settings, _options, place, _logger);
        }
        catch (OrtException error)
        {
            throw OnnxErrors.Load(settings, error);
        }
        catch (InferenceException error)
        {
            throw OnnxErrors.Load(settings, error);
        }

        _sessions[place] = session;
        return session;
    }
}
