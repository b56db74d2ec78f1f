namespace Sluice.Cli.Parsing;

/// <summary>The command line is wrong: usage and message go to standard error, the exit code is 2.</summary>
/// <param name="command">Whose usage is shown.</param>
/// <param name="message">What is wrong.</param>
internal sealed class UsageException(CommandSpec command, string message) : Exception(message)
{
    public CommandSpec Command { get; } = command;
}
