using System.CommandLine;
using System.CommandLine.Invocation;

namespace Sluice.Server;

/// <summary>Prints the help of <c>sluice serve</c> by topic, with examples; other commands keep the library's.</summary>
internal sealed class GroupedHelp(SynchronousCommandLineAction plain) : SynchronousCommandLineAction
{
    private const int NameWidth = 42;

    private static readonly (string Title, Func<OptionDefinition, bool> Contains)[] Groups =
    [
        ("Accepted without effect", option => option.IsInert),
        ("HTTP", option => option.Name.Contains("http", StringComparison.Ordinal) && !option.Name.Contains("grpc", StringComparison.Ordinal)),
        ("gRPC", option => option.Name.Contains("grpc", StringComparison.Ordinal)),
        ("Metrics", option => option.Name.Contains("metrics", StringComparison.Ordinal)),
        ("Tracing", option => option.Name.StartsWith("trace-", StringComparison.Ordinal)),
        ("Logging", option => option.Name.StartsWith("log-", StringComparison.Ordinal) || option.Name == "access-log"),
        ("Access", option => option.Name.StartsWith("auth-", StringComparison.Ordinal)),
        ("Models", option => option.Name.Contains("model", StringComparison.Ordinal) || option.Name is
            "repository-poll-secs" or "disable-auto-complete-config" or "backend-config" or "backend-directory" or "python" or "exit-on-error" or "strict-readiness"),
        ("Server", _ => true),
    ];

    private static readonly string[] Order =
        ["Models", "HTTP", "gRPC", "Metrics", "Tracing", "Logging", "Access", "Server", "Accepted without effect"];

    public override int Invoke(ParseResult parseResult)
    {
        if (parseResult.CommandResult.Command.Name != "serve")
            return plain.Invoke(parseResult);
        Print(parseResult.InvocationConfiguration.Output);
        return 0;
    }

    /// <summary>Writes the help text.</summary>
    internal static void Print(TextWriter output)
    {
        output.WriteLine("""
            Serve the models of a folder over gRPC and HTTP.

            Usage: sluice serve --model-repository DIR [--NAME VALUE | --NAME=VALUE]...

            Each setting also by the variable SLUICE_NAME, or by its name in the YAML file of --config-file.

            Examples:
              sluice serve --model-repository /models
              sluice serve --model-repository=/models --model-control-mode=explicit --load-model=digits
              sluice serve --model-repository /models --grpc-address unix:/run/sluice.sock
              sluice serve --model-repository /models --grpc-use-ssl --grpc-server-cert s.crt --grpc-server-key s.key
              sluice serve --model-repository /models --trace-config level=TIMESTAMPS --trace-config triton,file=trace.json
            """);
        var groups = OptionTable.All.GroupBy(option => Groups.First(group => group.Contains(option)).Title)
            .OrderBy(group => Array.IndexOf(Order, group.Key));
        foreach (var group in groups)
        {
            output.WriteLine();
            output.WriteLine(group.Key + ":");
            foreach (var option in group)
                output.WriteLine($"  {("--" + option.Name).PadRight(NameWidth)} {option.Help}");
        }
    }
}
