namespace Sluice.Cli.Tests;

/// <summary>What the command line says before any server is asked (spec clearml §1.1, §9).</summary>
public sealed class CommandLineTests
{
    [Theory]
    [InlineData("model add --engine triton", "the following arguments are required: --endpoint")]
    [InlineData("model add --endpoint e", "the following arguments are required: --engine")]
    [InlineData("model upload --name n", "the following arguments are required: --project")]
    [InlineData("metrics add", "the following arguments are required: --endpoint")]
    [InlineData("model auto-update --endpoint e", "the following arguments are required: --engine")]
    [InlineData("model add --engine triton --endpoint e --input-size 1x28", "argument --input-size: invalid loads value: '1x28'")]
    [InlineData("model add --engine triton --endpoint e --o 1", "ambiguous option: --o could match --output-size, --output-type, --output-name")]
    [InlineData("model upload --name n --project p --framework f", "argument --framework: invalid choice: 'f'")]
    [InlineData("model canary --weights a b", "argument --weights: invalid float value: 'a'")]
    [InlineData("model auto-update --max-versions 1.5", "argument --max-versions: invalid int value: '1.5'")]
    [InlineData("metrics add --endpoint e --log-freq", "argument --log-freq: expected one argument")]
    [InlineData("create --tags", "argument --tags: expected at least one argument")]
    [InlineData("model list --nothing", "unrecognized arguments: --nothing")]
    [InlineData("model list something", "unrecognized arguments: something")]
    [InlineData("model lst", "invalid choice: 'lst' (choose from 'list', 'remove', 'upload', 'canary', 'auto-update', 'add'")]
    [InlineData("forest inspect", "the following arguments are required: file")]
    [InlineData("forest inspect a b", "unrecognized arguments: b")]
    [InlineData("frobnicate", "invalid choice: 'frobnicate'")]
    [InlineData("model list --debug=1", "argument --debug: ignored explicit argument '1'")]
    public async Task WrongCommandLine_EndsWithTwo_AndUsage(string words, string message)
    {
        var (code, output, error) = await RunAsync(words.Split(' '));
        Assert.Equal(2, code);
        Assert.Contains($"clearml-serving: error: {message}", error, StringComparison.Ordinal);
        Assert.StartsWith("usage: clearml-serving ", error, StringComparison.Ordinal);
        Assert.Equal("clearml-serving - CLI for launching ClearML serving engine\n", output);
    }

    [Theory]
    [InlineData("", "{list,create,metrics,config,model,")]
    [InlineData("--help", "{list,create,metrics,config,model,")]
    [InlineData("model", "{list,remove,upload,canary,auto-update,add,")]
    [InlineData("metrics", "{add,remove,list}")]
    [InlineData("model add -h", "--input-size")]
    [InlineData("forest --help", "{inspect}")]
    [InlineData("forest inspect --help", "usage: clearml-serving forest inspect [-h] FILE\n")]
    [InlineData("forest inspect --help", "examples:\n  clearml-serving forest inspect models/")]
    [InlineData("--id x model", "{list,remove,")]
    public async Task Help_IsPrinted_AndIsNoFailure(string words, string text)
    {
        var (code, output, error) = await RunAsync(words.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal((0, ""), (code, error));
        Assert.Contains(text, output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model upload --name n --project p", "you must provide either --path or --url")]
    [InlineData("model upload --name n --project p --path a --url b", "not both")]
    [InlineData("model upload --name n --project p --path there/is/none", "could not find the model file or folder 'there/is/none'")]
    [InlineData("model upload --name n --project p --url http://x/y", "needs the id of the serving service")]
    [InlineData("--server ftp://x list", "is no address of a server")]
    [InlineData("list --server 127.0.0.1:1", "name another gRPC port by --server or SLUICE_SERVER")]
    [InlineData("--server 127.0.0.1:1 --id 7 model list", "SLUICE_SERVER")]
    public async Task WhatCannotBeDone_EndsWithOne_AndALine(string words, string message)
    {
        var (code, output, error) = await RunAsync(words.Split(' '));
        Assert.Equal((1, ""), (code, error));
        Assert.Contains("\nError: ", output, StringComparison.Ordinal);
        Assert.Contains(message, output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Debug_ShowsWhereAnErrorCameFrom()
    {
        var (code, _, error) = await RunAsync("list", "--server", "127.0.0.1:1", "--debug");
        Assert.Equal(1, code);
        Assert.Contains("   at Sluice.Cli.", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task CtrlC_EndsWithNought()
    {
        using var output = new StringWriter();
        var line = new ControlCommandLine("clearml-serving", TextReader.Null, output, TextWriter.Null);
        Assert.Equal(0, await line.RunAsync(["list"], new CancellationToken(canceled: true)));
        Assert.Contains("User aborted", output.ToString(), StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] words)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        var code = await new ControlCommandLine("clearml-serving", TextReader.Null, output, error).RunAsync(words, CancellationToken.None);
        return (code, output.ToString(), error.ToString());
    }
}
