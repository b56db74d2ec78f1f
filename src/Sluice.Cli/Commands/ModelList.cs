using System.Globalization;
using System.Text.Json;
using Sluice.Cli.Control;
using Sluice.Cli.Output;
using Sluice.Cli.Parsing;
using Sluice.Protocol.Control.V1;

namespace Sluice.Cli.Commands;

/// <summary><c>model list</c> (spec clearml §1.8), with the endpoints that auto-update has made.</summary>
internal static class ModelList
{
    public static CommandSpec Spec { get; } = new("list", "List endpoints, auto-updates and canaries.") { Path = "model list", Run = RunAsync };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var service = await ServiceChoice.FindAsync(context).ConfigureAwait(false);
        context.Output.Line($"List model serving and endpoints, control task id={service.Id}");
        var state = await Edits.ReadAsync(context, service).ConfigureAwait(false);
        (string Label, string Name, Action<Utf8JsonWriter> Write)[] blocks =
        [
            ("Endpoints:", "endpoints", json => json.WriteMap(state.Endpoints, e => CodeUpload.Join(e.ServingUrl, e.Version), RecordJson.Write)),
            ("Model Monitoring:", "model_monitoring", json => json.WriteMap(state.Monitors, m => m.BaseServingUrl, RecordJson.Write)),
            ("Canary:", "canary", json => json.WriteMap(state.Canaries, c => c.Endpoint, RecordJson.Write)),
            ("Model Monitoring Endpoints:", "model_monitoring_eps", json => json.WriteMap(Generated(state), e => CodeUpload.Join(e.ServingUrl, e.Version), RecordJson.Write)),
        ];
        foreach (var (label, _, write) in blocks)
            context.Output.Block(label, write);
        context.Output.Json(json =>
        {
            json.WriteStartObject();
            json.WriteString("id", service.Id);
            json.WriteNumber("revision", state.Revision);
            foreach (var (_, name, write) in blocks)
            {
                json.WritePropertyName(name);
                write(json);
            }

            json.WriteEndObject();
        });
        return 0;
    }

    /// <summary>Endpoints that monitors have made: <c>name/number</c> with the monitor's fields.</summary>
    private static IEnumerable<Endpoint> Generated(DesiredState state)
    {
        foreach (var version in state.AssignedVersions.Where(version => version.IsLive))
        {
            if (state.Monitors.FirstOrDefault(m => m.BaseServingUrl == version.BaseServingUrl) is not { } monitor)
                continue;
            var endpoint = new Endpoint
            {
                EngineType = monitor.EngineType,
                ServingUrl = monitor.BaseServingUrl,
                ModelId = version.ModelId,
                Version = version.Version.ToString(CultureInfo.InvariantCulture),
                AuxiliaryCfg = monitor.AuxiliaryCfg,
            };
            if (monitor.VersionPreprocessArtifacts.TryGetValue(version.Version, out var own))
                endpoint.PreprocessArtifact = own;
            else if (monitor.HasPreprocessArtifact)
                endpoint.PreprocessArtifact = monitor.PreprocessArtifact;
            endpoint.InputSize.Add(monitor.InputSize);
            endpoint.InputType.Add(monitor.InputType);
            endpoint.InputName.Add(monitor.InputName);
            endpoint.OutputSize.Add(monitor.OutputSize);
            endpoint.OutputType.Add(monitor.OutputType);
            endpoint.OutputName.Add(monitor.OutputName);
            yield return endpoint;
        }
    }
}
