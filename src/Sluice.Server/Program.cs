using System.CommandLine;
using Sluice.Server;

var root = new RootCommand("Sluice, an inference server.\n\nExample:\n  sluice serve --model-repository examples/models");
root.Subcommands.Add(ServeCommand.Create());
root.Subcommands.Add(DemoCommand.Create());

// The serve command ends in its own time on SIGTERM: the library's two seconds would cut requests off.
return await root.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null })
    .ConfigureAwait(false);
