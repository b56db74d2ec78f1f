using Sluice.Cli.Output;
using Sluice.Cli.Parsing;
using Sluice.Protocol.Control.V1;

namespace Sluice.Cli.Commands;

/// <summary><c>model promote</c>, <c>model archive</c>, <c>model tag</c> and <c>model show</c>: the registry's own verbs.</summary>
internal static class ModelLifecycle
{
    private static readonly OptionSpec ModelId = OptionSpec.One("--model-id", "The model; may also stand without the option.");

    public static IReadOnlyList<CommandSpec> Specs { get; } =
    [
        new("promote", "Publish a model: its file and name stay as they are from then on.")
        {
            Path = "model promote",
            Options = [ModelId],
            Positional = ModelId,
            Run = context => CallAsync(context, "PublishModel", new PublishModelRequest { ModelId = Id(context) }, "Published"),
        },
        new("archive", "Hide a model from all queries, or show it again.")
        {
            Path = "model archive",
            Options = [ModelId, OptionSpec.Flag("--restore", "Show it again.")],
            Positional = ModelId,
            Run = context => CallAsync(
                context, "ArchiveModel", new ArchiveModelRequest { ModelId = Id(context), Restore = context.Arguments.Has("--restore") },
                context.Arguments.Has("--restore") ? "Restored" : "Archived"),
        },
        new("tag", "Change the tags of a model.")
        {
            Path = "model tag",
            Options = [ModelId, OptionSpec.Many("--add", "Tags to add."), OptionSpec.Many("--remove", "Tags to remove.")],
            Positional = ModelId,
            Run = TagAsync,
        },
        new("registry", "List the models of the registry.")
        {
            Path = "model registry",
            Options =
            [
                OptionSpec.One("--project", "Only of this project."), OptionSpec.One("--name", "Only of this name; a regular expression between ^ and $."),
                OptionSpec.Many("--tags", "Any of these; -tag excludes."), OptionSpec.Flag("--published", "Published ones only."),
                OptionSpec.Flag("--archived", "Archived ones too."),
            ],
            Run = RegistryAsync,
        },
    ];

    private static string Id(CommandContext context) =>
        context.Arguments.One("--model-id") ?? throw new CommandException("name the model by --model-id");

    private static async Task<int> CallAsync(CommandContext context, string method, Google.Protobuf.IMessage request, string done)
    {
        var model = await context.Control.CallAsync<Model>("ModelRegistry/" + method, request, context.CancellationToken).ConfigureAwait(false);
        context.Output.Line($"{done} Model ID={model.Id} name='{model.Name}' tags={PythonText.Repr(model.Tags)}");
        context.Output.Json(json => json.Write(model));
        return 0;
    }

    private static Task<int> TagAsync(CommandContext context)
    {
        var request = new UpdateModelRequest { ModelId = Id(context) };
        request.AddTags.AddRange(context.Arguments.Many("--add"));
        request.RemoveTags.AddRange(context.Arguments.Many("--remove"));
        if (request.AddTags.Count + request.RemoveTags.Count == 0)
            throw new CommandException("say which tags: --add TAG or --remove TAG");
        return CallAsync(context, "UpdateModel", request, "Tagged");
    }

    private static async Task<int> RegistryAsync(CommandContext context)
    {
        var request = new ListModelsRequest
        {
            Project = context.Arguments.One("--project") ?? "",
            Name = context.Arguments.One("--name") ?? "",
            OnlyPublished = context.Arguments.Has("--published"),
            IncludeArchived = context.Arguments.Has("--archived"),
        };
        request.Tags.AddRange(context.Arguments.Many("--tags"));
        var found = (await context.Control.CallAsync<ListModelsResponse>("ModelRegistry/ListModels", request, context.CancellationToken)
            .ConfigureAwait(false)).Models;
        foreach (var model in found)
            context.Output.Line(
                $"{model.Id}  {model.Project}/{model.Name}  {model.Framework}  {PythonText.Repr(model.Tags)}" +
                $"{(model.Published ? "  published" : "")}{(model.Archived ? "  archived" : "")}");
        context.Output.Json(json =>
        {
            json.WriteStartArray();
            foreach (var model in found)
                json.Write(model);
            json.WriteEndArray();
        });
        return 0;
    }
}
