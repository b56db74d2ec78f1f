using Sluice.Cli.Commands;
using Sluice.Cli.Parsing;

namespace Sluice.Cli.Tests;

public sealed class ArgumentParserTests
{
    private static readonly OptionSpec[] Globals = [OptionSpec.Flag("--yes", ""), OptionSpec.One("--id", ""), OptionSpec.Flag("--json", "")];

    private static readonly CommandSpec Root = new("", "") { Commands = [ModelCommands.Group, MetricCommands.Group, Services.Config, Services.Create] };

    [Theory]
    [InlineData("model list --id 7", "--id=7")]
    [InlineData("--id 7 model list", "--id=7")]
    [InlineData("model --id=7 list --yes", "--id=7 --yes=")]
    [InlineData("metrics add --end m --log 0.5", "--endpoint=m --log-freq=0.5")]
    [InlineData("model add --engine triton --endpoint e --output-size -1 10", "--endpoint=e --engine=triton --output-size=-1,10")]
    [InlineData("model add --engine triton --endpoint e --output_type float32 --input_name a b", "--endpoint=e --engine=triton --input-name=a,b --output-type=float32")]
    [InlineData("model add --engine triton --endpoint e --tags a -b --project p", "--endpoint=e --engine=triton --project=p --tags=a,-b")]
    [InlineData("model canary --endpoint c --weights 0.1 .9 --input-endpoints-prefix m/", "--endpoint=c --input-endpoint-prefix=m/ --weights=0.1,.9")]
    [InlineData("model canary --input-endpoint-p m/", "--input-endpoint-prefix=m/")]
    [InlineData("model upload --name n --project p --framework scikit-learn --path x", "--framework=scikitlearn --name=n --path=x --project=p")]
    [InlineData("model promote 123", "--model-id=123")]
    [InlineData("model promote --model-id 123 --json", "--json= --model-id=123")]
    [InlineData("create --name a --name b", "--name=b")]
    [InlineData("model add --engine triton --endpoint e --aux-config platform=\"onnx\" max_batch_size=4", "--aux-config=platform=\"onnx\",max_batch_size=4 --endpoint=e --engine=triton")]
    public void Words_AreRead(string words, string expected)
    {
        var parsed = new ArgumentParser(Root, Globals).Parse(words.Split(' '));
        Assert.Equal(
            expected,
            string.Join(' ', parsed.Values.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}={string.Join(',', pair.Value)}")));
    }

    [Fact]
    public void EveryVerbOfTheOriginal_IsThere_WithItsFlags()
    {
        Dictionary<string, string> flags = new()
        {
            ["create"] = "--name --tags --project",
            ["config"] = "--base-serving-url --triton-grpc-server --kafka-metric-server --metric-log-freq",
            ["metrics add"] = "--endpoint --log-freq --variable-scalar --variable-enum --variable-value",
            ["metrics remove"] = "--endpoint --variable",
            ["metrics list"] = "",
            ["model list"] = "",
            ["model remove"] = "--endpoint",
            ["model upload"] = "--name --tags --project --framework --publish --path --url --destination",
            ["model canary"] = "--endpoint --weights --input-endpoints --input-endpoint-prefix --input-endpoints-prefix",
            ["model auto-update"] = "--endpoint --engine --max-versions --name --tags --project --published --preprocess --input-size --input-type " +
                "--input-name --output-size --output-type --output_type --output-name --aux-config",
            ["model add"] = "--endpoint --version --engine --model-id --preprocess --input-size --input-type --input-name --output-size --output-type " +
                "--output_type --output-name --aux-config --name --tags --project --published",
        };
        var commands = Root.Commands.SelectMany(command => command.Commands.Count > 0 ? command.Commands : [command])
            .ToDictionary(command => command.Path);
        foreach (var (verb, names) in flags)
            Assert.Subset(commands[verb].Options.SelectMany(option => option.Names).ToHashSet(), names.Split(' ', StringSplitOptions.RemoveEmptyEntries).ToHashSet());
    }
}
