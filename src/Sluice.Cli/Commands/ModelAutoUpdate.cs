using System.Globalization;
using Sluice.Cli.Control;
using Sluice.Cli.Parsing;

namespace Sluice.Cli.Commands;

/// <summary><c>model auto-update</c> (spec clearml §1.12).</summary>
internal static class ModelAutoUpdate
{
    public static CommandSpec Spec { get; } = new("auto-update", "Make an endpoint of each new model that fits.")
    {
        Path = "model auto-update",
        Options =
        [
            OptionSpec.One("--endpoint", "Name of the endpoints; the versions are name/1, name/2, ..."),
            OptionSpec.One("--max-versions", "How many of the newest models are served. Default 1.") with { Check = ArgumentParser.WholeNumber },
            OptionSpec.Many("--version-preprocess", "VERSION=PATH: other code for single versions."),
            .. EndpointOptions.All,
        ],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var arguments = context.Arguments;
        var service = await ServiceChoice.FindAsync(context).ConfigureAwait(false);
        if (!ServiceChoice.Confirm(context, service))
            return 0;
        var name = arguments.One("--endpoint")?.Trim('/') ?? throw new CommandException("name the endpoint by --endpoint");
        if (!arguments.Has("--project") && !arguments.Has("--name") && !arguments.Has("--tags"))
            throw new CommandException("say which models to follow: at least one of --project, --name and --tags");
        var monitor = new Protocol.Control.V1.Monitor
        {
            BaseServingUrl = name,
            EngineType = EndpointOptions.Engine(arguments),
            OnlyPublished = arguments.Has("--published"),
            MaxVersions = int.Parse(arguments.One("--max-versions") ?? "1", CultureInfo.InvariantCulture),
            AuxiliaryCfg = EndpointOptions.Auxiliary(arguments),
            ServesLatest = arguments.Has("--latest"),
        };
        if (arguments.One("--project") is { } project)
            monitor.MonitorProject = project;
        if (arguments.One("--name") is { } model)
            monitor.MonitorName = model;
        monitor.MonitorTags.AddRange(arguments.Many("--tags"));
        context.Output.Line($"Serving service Task {service.Id}, Adding Model monitoring endpoint: '/{name}/'");
        var state = await Edits.ReadAsync(context, service).ConfigureAwait(false);
        EndpointOptions.ReadTensors(arguments, "input", monitor.InputSize, monitor.InputType, monitor.InputName);
        EndpointOptions.ReadTensors(arguments, "output", monitor.OutputSize, monitor.OutputType, monitor.OutputName);
        if (arguments.One("--preprocess") is { } path)
            monitor.PreprocessArtifact = await CodeUpload.RunAsync(context, state, name, path).ConfigureAwait(false);
        foreach (var (version, code) in arguments.Many("--version-preprocess").Select(Split))
            monitor.VersionPreprocessArtifacts[version] = await CodeUpload.RunAsync(context, state, $"{name}/{version}", code).ConfigureAwait(false);
        var edited = await context.Control.CallAsync<Protocol.Control.V1.EditResponse>(
            "AutoUpdates/PutMonitor", new Protocol.Control.V1.PutMonitorRequest { ServiceId = service.Id, Monitor = monitor },
            context.CancellationToken).ConfigureAwait(false);
        Edits.Report(context, edited, service.Id);
        return 0;
    }

    private static (long Version, string Path) Split(string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        return equals > 0 && long.TryParse(text[..equals], NumberStyles.None, CultureInfo.InvariantCulture, out var version)
            ? (version, text[(equals + 1)..])
            : throw new CommandException($"--version-preprocess '{text}' must look like 2=path");
    }
}
