using System.CommandLine;
using Sluice.Server;

var root = new RootCommand("Sluice, an inference server.\n\nExample:\n  sluice serve --model-repository examples/models");
root.Subcommands.Add(ServeCommand.Create());
return await root.Parse(args).InvokeAsync().ConfigureAwait(false);
