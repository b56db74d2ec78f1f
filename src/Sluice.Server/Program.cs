using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Runtime.InteropServices;
using Sluice.Cli;
using Sluice.Server;

// All verbs but those that run a server or play with one belong to the control plane's command line.
if (args is not (["serve" or "demo" or "--version", ..]))
{
    using var stop = new CancellationTokenSource();
    using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
    {
        context.Cancel = true;
        stop.Cancel();
    });
    var program = Environment.GetEnvironmentVariable("SLUICE_PROGRAM") is { Length: > 0 } name ? name : "sluice";
    if (args is [] or ["--help" or "-h"] && program == "sluice")
        Console.WriteLine("To run a server: sluice serve --help. To try one: sluice demo --help.\n");
    return await new ControlCommandLine(program, Console.In, Console.Out, Console.Error) { Forests = new ForestInspector() }.RunAsync(args, stop.Token).ConfigureAwait(false);
}

var root = new RootCommand("Sluice, an inference server.\n\nExample:\n  sluice serve --model-repository examples/models");
root.Subcommands.Add(ServeCommand.Create());
root.Subcommands.Add(DemoCommand.Create());

var help = root.Options.OfType<HelpOption>().Single();
help.Action = new GroupedHelp((SynchronousCommandLineAction)help.Action!);

// The serve command ends in its own time on SIGTERM: the library's two seconds would cut requests off.
return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null })
    .ConfigureAwait(false);
