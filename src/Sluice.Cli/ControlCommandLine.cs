using Sluice.Cli.Commands;
using Sluice.Cli.Control;
using Sluice.Cli.Output;
using Sluice.Cli.Parsing;

namespace Sluice.Cli;

/// <summary>The command line of the control plane, with the verbs, options and exit codes of <c>clearml-serving</c>.</summary>
/// <remarks>Exit codes: 0 done, 1 the command failed, 2 the command line is wrong.</remarks>
public sealed class ControlCommandLine
{
    private const string Title = "clearml-serving - CLI for launching ClearML serving engine";
    private const string DefaultServer = "http://localhost:8001";

    private static readonly OptionSpec[] Globals =
    [
        OptionSpec.Flag("--debug", "Show where an error came from."),
        OptionSpec.Flag("--yes", "Answer questions with yes."),
        OptionSpec.One("--id", "The serving service; default: the first active one."),
        OptionSpec.Flag("--json", "Print results as JSON."),
        OptionSpec.One("--server", $"gRPC port of the server. Default SLUICE_SERVER or {DefaultServer}."),
        OptionSpec.One("--token", "API key or web token. Default SLUICE_TOKEN."),
    ];

    private static readonly CommandSpec Root = new("", "Serve models: registry, endpoints, canaries, auto-updates.")
    {
        Commands =
        [
            Services.List, Services.Create, MetricCommands.Group, Services.Config, ModelCommands.Group, EndpointCommands.Group,
            StateCommands.Export, StateCommands.Apply, ForestCommands.Group, DoctorCommand.Spec,
        ],
    };

    private readonly string _program;
    private readonly TextReader _input;
    private readonly TextWriter _output;
    private readonly TextWriter _error;

    /// <summary>Creates a command line.</summary>
    /// <param name="program">The name it is called by, for usage texts.</param>
    /// <param name="input">Where answers to questions come from.</param>
    /// <param name="output">Standard output.</param>
    /// <param name="error">Standard error.</param>
    public ControlCommandLine(string program, TextReader input, TextWriter output, TextWriter error)
    {
        _program = program;
        _input = input;
        _output = output;
        _error = error;
    }

    /// <summary>Looks into model files of tree ensembles for <c>forest inspect</c>; null = the verb says that it cannot.</summary>
    public IForestInspector? Forests { get; init; }

    /// <summary>Runs a command line.</summary>
    /// <param name="arguments">Without the program's name.</param>
    /// <param name="cancellationToken">Ctrl-C.</param>
    /// <returns>The exit code.</returns>
    public async Task<int> RunAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        var isJson = arguments.Contains("--json");
        (isJson || arguments.Contains("export") ? _error : _output).WriteLine(Title);
        ParsedArguments parsed;
        try
        {
            parsed = new ArgumentParser(Root, Globals).Parse(arguments);
        }
        catch (UsageException error)
        {
            UsageText.WriteUsage(_error, _program, error.Command);
            await _error.WriteLineAsync($"{_program}: error: {error.Message}").ConfigureAwait(false);
            return 2;
        }

        if (parsed.Command.Run is not { } run || parsed.Has(ArgumentParser.Help.Name))
        {
            UsageText.WriteHelp(_output, _program, parsed.Command, Globals);
            return 0;
        }

        return await RunAsync(parsed, run, isJson, cancellationToken).ConfigureAwait(false);
    }

    private async Task<int> RunAsync(
        ParsedArguments parsed, Func<CommandContext, Task<int>> run, bool isJson, CancellationToken cancellationToken)
    {
        try
        {
            var server = ServerAddress(parsed.One("--server"));
            using var control = new ControlClient(server, parsed.One("--token") ?? Environment.GetEnvironmentVariable("SLUICE_TOKEN"));
            var output = new CliOutput(_output, _error, isJson, isTerminal: !Console.IsErrorRedirected);
            return await run(new CommandContext(parsed, control, output, _input, cancellationToken) { Server = server, Forests = Forests }).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await _output.WriteLineAsync("\nUser aborted").ConfigureAwait(false);
            return 0;
        }
        catch (Exception error) when (!parsed.Has("--debug"))
        {
            await (isJson ? _error : _output).WriteLineAsync($"Error: {error.Message}").ConfigureAwait(false);
            return 1;
        }
        catch (Exception error)
        {
            await _error.WriteLineAsync(error.ToString()).ConfigureAwait(false);
            return 1;
        }
    }

    private static Uri ServerAddress(string? given)
    {
        var text = given ?? Environment.GetEnvironmentVariable("SLUICE_SERVER");
        if (string.IsNullOrEmpty(text))
            text = DefaultServer;
        if (!text.Contains("://", StringComparison.Ordinal))
            text = "http://" + text;
        return Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https"
            ? address
            : throw new CommandException($"'{text}' is no address of a server; it must look like {DefaultServer}");
    }
}
