using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Sluice.Server;

var root = new RootCommand("Sluice, an inference server.\n\nExample:\n  sluice serve --model-repository examples/models");
root.Subcommands.Add(ServeCommand.Create());
root.Subcommands.Add(DemoCommand.Create());

var help = root.Options.OfType<HelpOption>().Single();
help.Action = new GroupedHelp((SynchronousCommandLineAction)help.Action!);

// The serve command ends in its own time on SIGTERM: the library's two seconds would cut requests off.
return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null })
    .ConfigureAwait(false);
