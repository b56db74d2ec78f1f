using System.Text;
using Sluice.Inference;
using Sluice.Protocol.Inference;

namespace Sluice.Models.Tests;

public sealed class ModelRepositoryTests : IDisposable
{
    private readonly TempFolder _first = new();
    private readonly TempFolder _second = new();

    public void Dispose()
    {
        _first.Dispose();
        _second.Dispose();
    }

    [Fact]
    public void Scan_SeveralRepositories_FindsModelsAndNumericVersions()
    {
        _first.Write("a/10/model.onnx");
        _first.Write("a/2/model.onnx");
        _first.Write("a/03/model.onnx");
        _first.Write("a/v4/model.onnx");
        _first.Write("a/config.pbtxt");
        _second.Write("b/1/model.onnx");
        _second.Write(".git/1/model.onnx");
        _second.Write("readme.md");

        var models = Repository().Scan();

        Assert.Equal(["a", "b"], models.Keys.Order());
        Assert.Equal([2, 10], models["a"].Versions.Select(v => v.Number));
        Assert.EndsWith("config.pbtxt", models["a"].ConfigPath);
        Assert.Null(models["b"].ConfigPath);
    }

    [Fact]
    public void Scan_ModelInTwoRepositories_CarriesFault()
    {
        _first.Write("a/1/model.onnx");
        _second.Write("a/1/model.onnx");

        Assert.Contains("not unique", Repository().Scan()["a"].Fault, StringComparison.Ordinal);
        Assert.Contains("not unique", Repository().Find("a")!.Fault, StringComparison.Ordinal);
    }

    [Fact]
    public void Find_NamedConfiguration_WinsWhereTheModelHasIt()
    {
        _first.Write("a/config.pbtxt");
        _first.Write("a/configs/fast.pbtxt");
        _first.Write("b/config.pbtxt");
        var repository = Repository("fast");

        Assert.EndsWith("fast.pbtxt", repository.Find("a")!.ConfigPath);
        Assert.EndsWith("config.pbtxt", repository.Find("b")!.ConfigPath);
        Assert.EndsWith("config.pbtxt", Repository().Find("a")!.ConfigPath);
    }

    [Fact]
    public void Scan_MissingRepository_Throws()
    {
        var repository = new ModelRepository(new RepositoryOptions { Folders = [Path.Combine(_first.Path, "none")] });

        Assert.Equal(InferenceCode.InvalidArgument, Assert.Throws<InferenceException>(() => repository.Scan()).Code);
    }

    [Theory]
    [InlineData("a/1/model.onnx", true, false)]
    [InlineData("a/1/weights/deep.bin", true, false)]
    [InlineData("a/labels.txt", true, true)]
    [InlineData("a/config.pbtxt", false, false)]
    public void Stamp_FileWrittenAgain_ChangesWhatItBelongsTo(string file, bool changesFirst, bool changesSecond)
    {
        _first.Write("a/1/model.onnx");
        _first.Write("a/2/model.onnx");
        _first.Write(file);
        var before = Repository().Find("a")!;
        var same = Repository().Find("a")!;
        _first.Write(file);
        var after = Repository().Find("a")!;

        Assert.Equal(before.Stamp, same.Stamp);
        Assert.NotEqual(before.Stamp, after.Stamp);
        Assert.Equal(changesFirst, before.VersionStamps[1] != after.VersionStamps[1]);
        Assert.Equal(changesSecond, before.VersionStamps[2] != after.VersionStamps[2]);
    }

    [Theory]
    [InlineData("", "3")]
    [InlineData("latest { num_versions: 2 }", "2,3")]
    [InlineData("latest { num_versions: 4294967295 }", "1,2,3")]
    [InlineData("all { }", "1,2,3")]
    [InlineData("specific { versions: [ 3, 1, 9 ] }", "1,3")]
    [InlineData("specific { versions: [ 9 ] }", "")]
    public void Select_ByPolicy_TakesVersions(string policy, string expected)
    {
        var parsed = TextFormat.Parse<ModelVersionPolicy>(Encoding.UTF8.GetBytes(policy), "policy");
        var found = new[] { 1L, 2, 3 }.Select(n => new ModelVersionFolder("a", "/a", n));

        Assert.Equal(expected, string.Join(',', VersionSelection.Select(parsed, [.. found]).Select(v => v.Number)));
    }

    [Theory]
    [InlineData("", "Model name cannot be empty. Please enter a valid name to deploy.")]
    [InlineData("..", "invalid model name '..', model name must not contain path traversal characters")]
    [InlineData("a/b", "invalid model name 'a/b', model name must not contain path traversal characters")]
    [InlineData("a\\b", "invalid model name 'a\\b', model name must not contain path traversal characters")]
    public void Check_NameThatIsNoFolder_IsRefused(string name, string message) =>
        Assert.Equal(message, Assert.Throws<InferenceException>(() => ModelNames.Check(name)).Message);

    private ModelRepository Repository(string configName = "") =>
        new(new RepositoryOptions { Folders = [_first.Path, _second.Path], ConfigName = configName });
}
