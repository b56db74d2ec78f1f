using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Sluice.Cli.Control;
using Sluice.Cli.Output;
using Sluice.Cli.Parsing;
using Sluice.Protocol.Control.V1;

namespace Sluice.Cli.Commands;

/// <summary><c>export</c> and <c>apply</c>: all records of a service as one YAML file.</summary>
internal static class StateCommands
{
    private static readonly OptionSpec FileOption = OptionSpec.One("--file", "The YAML file.").Also("-f");

    public static CommandSpec Export { get; } = new("export", "Write all records of a service as YAML.")
    {
        Options = [FileOption with { Help = "Where to write. Default: standard output." }],
        Run = ExportAsync,
    };

    public static CommandSpec Apply { get; } = new("apply", "Make the records of a service those of a YAML file.")
    {
        Options = [FileOption with { IsRequired = true }, OptionSpec.Flag("--dry-run", "Only show what would change.")],
        Run = ApplyAsync,
    };

    private static async Task<int> ExportAsync(CommandContext context)
    {
        var service = await ServiceChoice.FindAsync(context).ConfigureAwait(false);
        var state = await context.Control.CallAsync<DesiredState>(
            "Services/GetDesiredState", new GetDesiredStateRequest { ServiceId = service.Id }, context.CancellationToken).ConfigureAwait(false);
        var records = state.Clone();
        records.Service = null;
        records.Revision = 0;
        records.AssignedVersions.Clear();
        records.Artifacts.Clear();
        var text = YamlMessages.Write(records);
        if (context.Arguments.One("--file") is { } file)
        {
            await File.WriteAllTextAsync(file, text, context.CancellationToken).ConfigureAwait(false);
            context.Output.Line($"Exported service {service.Id} at revision {state.Revision} to {file}");
        }
        else
        {
            await context.Output.Out.WriteAsync(text).ConfigureAwait(false);
        }

        return 0;
    }

    private static async Task<int> ApplyAsync(CommandContext context)
    {
        var service = await ServiceChoice.FindAsync(context).ConfigureAwait(false);
        var file = context.Arguments.One("--file")!;
        if (!File.Exists(file))
            throw new CommandException($"could not find the file '{file}'");
        var state = YamlMessages.Read<DesiredState>(await File.ReadAllTextAsync(file, context.CancellationToken).ConfigureAwait(false), file);
        var isDry = context.Arguments.Has("--dry-run");
        if (!isDry && !ServiceChoice.Confirm(context, service))
            return 0;
        var answer = await context.Control.CallAsync<ApplyDesiredStateResponse>(
            "Services/ApplyDesiredState",
            new ApplyDesiredStateRequest { ServiceId = service.Id, State = state, ValidateOnly = isDry },
            context.CancellationToken).ConfigureAwait(false);
        foreach (var change in answer.Changes)
            ShowChange(context, change);
        foreach (var warning in answer.Warnings)
            context.Output.Notice($"Warning: {warning}");
        context.Output.Line(answer.Changes.Count == 0
            ? "Nothing to change"
            : isDry ? $"{answer.Changes.Count} records would change" : $"{answer.Changes.Count} records changed, revision={answer.Revision}");
        context.Output.Json(json => json.Write(answer));
        return 0;
    }

    private static void ShowChange(CommandContext context, RecordChange change)
    {
        var (before, after) = (Exists(change.Before), Exists(change.After));
        context.Output.Line($"{(before ? after ? "~" : "-" : "+")} {change.Kind} {change.Key}");
        if (!before || !after || change.Before.KindCase != Value.KindOneofCase.StructValue || change.After.KindCase != Value.KindOneofCase.StructValue)
            return;
        var (old, now) = (change.Before.StructValue.Fields, change.After.StructValue.Fields);
        foreach (var key in old.Keys.Union(now.Keys).Order(StringComparer.Ordinal))
        {
            var (left, right) = (Text(old.GetValueOrDefault(key)), Text(now.GetValueOrDefault(key)));
            if (left != right)
                context.Output.Line($"    {key}: {left} -> {right}");
        }
    }

    private static bool Exists(Value? value) => value is not null && value.KindCase is not (Value.KindOneofCase.None or Value.KindOneofCase.NullValue);

    private static string Text(Value? value) => Exists(value) ? JsonFormatter.Default.Format(value) : "unset";
}
