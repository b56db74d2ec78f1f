using System.Globalization;
using Sluice.Control.Records;

namespace Sluice.Control.AutoUpdate;

/// <summary>Makes endpoints of the models that monitors serve.</summary>
public static class MonitoredEndpoints
{
    /// <summary>Lists the endpoints of all monitors: <c>name/number</c>, everything else from the monitor as it is now.</summary>
    public static IEnumerable<EndpointSpec> List(DesiredState state) =>
        from version in state.AssignedVersions
        where version.IsLive && state.Monitors.ContainsKey(version.BaseServingUrl)
        select Create(state.Monitors[version.BaseServingUrl], version);

    private static EndpointSpec Create(MonitorSpec monitor, VersionAssignment version) => new()
    {
        EngineType = monitor.EngineType,
        ServingUrl = monitor.BaseServingUrl,
        ModelId = version.ModelId,
        Version = version.Version.ToString(CultureInfo.InvariantCulture),
        PreprocessArtifact = monitor.VersionPreprocessArtifacts.TryGetValue(version.Version, out var own) ? own : monitor.PreprocessArtifact,
        InputSize = monitor.InputSize,
        InputType = monitor.InputType,
        InputName = monitor.InputName,
        OutputSize = monitor.OutputSize,
        OutputType = monitor.OutputType,
        OutputName = monitor.OutputName,
        AuxiliaryCfg = monitor.AuxiliaryCfg,
        ServesLatest = monitor.ServesLatest,
    };
}
