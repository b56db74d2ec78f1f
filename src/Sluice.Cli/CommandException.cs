namespace Sluice.Cli;

/// <summary>A command cannot do what it is asked: one line <c>Error: …</c>, exit code 1.</summary>
internal sealed class CommandException(string message) : Exception(message);
