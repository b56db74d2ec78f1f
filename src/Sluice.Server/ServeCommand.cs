using System.CommandLine;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Server.Composition;
using Sluice.Server.Logging;
using Sluice.Server.Supervision;

namespace Sluice.Server;

/// <summary><c>sluice serve</c>: runs the server until SIGINT or SIGTERM.</summary>
/// <remarks>Exit codes: 0 stopped in order, 1 start or stop failed, 2 wrong settings.</remarks>
internal static class ServeCommand
{
    private const int WrongSettings = 2;

    public static Command Create()
    {
        var command = new Command("serve", "Serve the models of a folder over gRPC and HTTP.");
        var file = new Option<string?>("--config-file") { Description = "YAML file with any of these settings by name." };
        command.Options.Add(file);
        var options = OptionTable.All.Select(definition => (definition, option: new Option<string[]>("--" + definition.Name)
        {
            Description = definition.Help,
            Arity = definition.IsSwitch ? ArgumentArity.ZeroOrMore : ArgumentArity.OneOrMore,
            AllowMultipleArgumentsPerToken = false,
        })).ToList();
        foreach (var (_, option) in options)
            command.Options.Add(option);
        command.Options.Single(option => option.Name == "--model-repository").Aliases.Add("--model-store");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var given = new List<(string Name, string Value)>();
            foreach (var (definition, option) in options)
            {
                if (parsed.GetResult(option) is not { Implicit: false } result)
                    continue;
                if (result.Tokens.Count == 0)
                    given.Add((definition.Name, "true"));
                given.AddRange(result.Tokens.Select(token => (definition.Name, token.Value)));
            }

            var errors = new List<string>();
            var settings = OptionSources.Read(
                given, Environment.GetEnvironmentVariable, parsed.GetValue(file), errors);
            if (errors.Count == 0)
                return await RunAsync(settings, Environment.GetEnvironmentVariable(Supervisor.NotesVariable)).ConfigureAwait(false);
            foreach (var error in errors)
                await Console.Error.WriteLineAsync($"sluice serve: {error}").ConfigureAwait(false);
            await Console.Error.WriteLineAsync("Try: sluice serve --help").ConfigureAwait(false);
            return WrongSettings;
        });
        return command;
    }

    private static async Task<int> SuperviseAsync(ServerOptions options)
    {
        using var provider = new LineLoggerProvider(new LogState(options.Log), TimeProvider.System);
        using var loggers = new LoggerFactory([provider], new LoggerFilterOptions { MinLevel = LogLevel.Trace });
        try
        {
            return await Supervisor.RunAsync(loggers.CreateLogger(nameof(Supervisor)), TimeProvider.System).ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync($"sluice serve: --restart-on-crash has no place for its notes: {error.Message}").ConfigureAwait(false);
            return 1;
        }
    }

    /// <param name="options">The settings.</param>
    /// <param name="notes">Where this server notes what its engines are at, for its supervisor; null = it has none.</param>
    private static async Task<int> RunAsync(ServerOptions options, string? notes)
    {
        if (options.RestartsOnCrash && notes is null)
            return await SuperviseAsync(options).ConfigureAwait(false);
        var stop = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        try
        {
            var log = new LogState(options.Log);
            using var provider = new LineLoggerProvider(log, TimeProvider.System);
            using var loggers = new LoggerFactory([provider], new LoggerFilterOptions { MinLevel = LogLevel.Trace });
            // Never closed: engines may still be at work when the process ends.
            var watched = notes is null ? null : CrashNotes.Open(notes);
            var quarantined = Environment.GetEnvironmentVariable(Quarantine.Variable);
            var quarantine = Quarantine.Parse(quarantined);

            // After a crash models are loaded one by one, so that one that crashes in its load is not taken for another.
            if (watched is not null && quarantined is not null)
                options = options with { ModelLoadThreadCount = 1 };
            await using var host = new ServerHost(
                options, loggers, TimeProvider.System, log, watched is null ? null : engine => new NotingBackend(engine, watched, quarantine));
            if (notes is not null)
                _ = Supervisor.WaitForEndAsync().ContinueWith(_ => stop.TrySetResult(), TaskScheduler.Default);
            var starting = host.StartAsync(CancellationToken.None);
            await Task.WhenAny(starting, stop.Task).ConfigureAwait(false);
            if (starting.IsCompleted && !await starting.ConfigureAwait(false))
                return 1;
            await stop.Task.ConfigureAwait(false);
            var isDrained = await host.StopAsync().ConfigureAwait(false);
            if (!isDrained)
                Environment.Exit(1);

            // A start that was broken off ends with its models' loads; whatever it says then matters no more.
            await ((Task)starting).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return 0;
        }
        catch (Exception error) when (error is InferenceException or IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync($"sluice serve: {error.Message}").ConfigureAwait(false);
            return 1;
        }

        void OnSignal(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.TrySetResult();
        }
    }
}
