using Sluice.Cli.Control;
using Sluice.Cli.Output;
using Sluice.Cli.Parsing;

namespace Sluice.Cli;

/// <summary>What a command works with.</summary>
/// <param name="Arguments">The command line.</param>
/// <param name="Control">The server's control plane.</param>
/// <param name="Output">Where results go.</param>
/// <param name="Input">Where answers to questions come from.</param>
/// <param name="CancellationToken">Ctrl-C.</param>
internal sealed record CommandContext(
    ParsedArguments Arguments, ControlClient Control, CliOutput Output, TextReader Input, CancellationToken CancellationToken)
{
    /// <summary>Address of the server.</summary>
    public required Uri Server { get; init; }

    /// <summary>Looks into model files of tree ensembles; null where this program has no such engine.</summary>
    public IForestInspector? Forests { get; init; }
}
