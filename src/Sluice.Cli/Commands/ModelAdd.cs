using Sluice.Cli.Control;
using Sluice.Cli.Parsing;
using Sluice.Protocol.Control.V1;

namespace Sluice.Cli.Commands;

/// <summary><c>model add</c> (spec clearml §1.12).</summary>
internal static class ModelAdd
{
    public static CommandSpec Spec { get; } = new("add", "Make an endpoint of a model.")
    {
        Path = "model add",
        Options =
        [
            OptionSpec.One("--endpoint", "Name under which it is called.", isRequired: true),
            OptionSpec.One("--version", "Its version; the endpoint is then name/version."),
            OptionSpec.One("--model-id", "The model."),
            OptionSpec.One("--triton-grpc-server", "Server of the open inference protocol that runs the model instead of this one."),
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
        var endpoint = new Endpoint
        {
            EngineType = EndpointOptions.Engine(arguments),
            ServingUrl = arguments.One("--endpoint")!.Trim('/'),
            Version = arguments.One("--version")?.Trim('/') ?? "",
            ServesLatest = arguments.Has("--latest"),
            AuxiliaryCfg = EndpointOptions.Auxiliary(arguments),
        };
        var key = CodeUpload.Join(endpoint.ServingUrl, endpoint.Version);
        context.Output.Line($"Serving service Task {service.Id}, Adding Model endpoint '/{key}/'");
        var state = await Edits.ReadAsync(context, service).ConfigureAwait(false);
        if (await FindModelAsync(context).ConfigureAwait(false) is { } model)
            endpoint.ModelId = model;
        if (arguments.One("--triton-grpc-server") is { } server)
            endpoint.RemoteGrpcServer = server;
        EndpointOptions.ReadTensors(arguments, "input", endpoint.InputSize, endpoint.InputType, endpoint.InputName);
        EndpointOptions.ReadTensors(arguments, "output", endpoint.OutputSize, endpoint.OutputType, endpoint.OutputName);
        if (arguments.One("--preprocess") is { } path)
            endpoint.PreprocessArtifact = await CodeUpload.RunAsync(context, state, key, path).ConfigureAwait(false);
        var edited = await context.Control.CallAsync<EditResponse>(
            "Endpoints/PutEndpoint", new PutEndpointRequest { ServiceId = service.Id, Endpoint = endpoint }, context.CancellationToken)
            .ConfigureAwait(false);
        Edits.Report(context, edited, service.Id);
        return 0;
    }

    /// <summary>Takes the given model, or looks for the newest that fits.</summary>
    private static async Task<string?> FindModelAsync(CommandContext context)
    {
        var arguments = context.Arguments;
        if (arguments.One("--model-id") is { } id)
            return id;
        if (!arguments.Has("--project") && !arguments.Has("--name") && !arguments.Has("--tags"))
            return null;
        var request = new ListModelsRequest
        {
            Project = arguments.One("--project") ?? "",
            Name = arguments.One("--name") ?? "",
            OnlyPublished = arguments.Has("--published"),
            PageSize = 2,
        };
        request.Tags.AddRange(arguments.Many("--tags"));
        var found = (await context.Control.CallAsync<ListModelsResponse>("ModelRegistry/ListModels", request, context.CancellationToken)
            .ConfigureAwait(false)).Models;
        if (found.Count == 0)
            throw new CommandException(
                $"Could not find any Model to serve: project={Shown(request.Project)} name={Shown(request.Name)} tags=[{string.Join(", ", request.Tags)}]" +
                (request.OnlyPublished ? " published only" : ""));
        if (found.Count > 1)
            context.Output.Notice($"Warning: Found multiple Models, selecting the newest, id={found[0].Id} name='{found[0].Name}'");
        return found[0].Id;
    }

    private static string Shown(string text) => text.Length == 0 ? "any" : $"'{text}'";
}
