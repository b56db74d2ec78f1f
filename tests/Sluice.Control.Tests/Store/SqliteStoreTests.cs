using Sluice.Inference;

namespace Sluice.Control.Tests.Store;

/// <summary>The suite on SQLite, and what only a file can do.</summary>
public sealed class SqliteStoreTests : StoreSuite, IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("sluice-store-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Store_ThatCannotBeOpened_IsTriedAgainUntilItCan()
    {
        var blocked = Path.Combine(_folder, "blocked");
        await File.WriteAllTextAsync(blocked, "a file where a folder should be");
        await using var plane = await Planes.StartAsync(Path.Combine(blocked, "control.db"));
        Assert.False(plane.Snapshot.IsStoreReachable);
        var error = await Assert.ThrowsAsync<InferenceException>(() => plane.CreateServiceAsync("s", "p", [], "tester", default));
        Assert.Equal(InferenceCode.Unavailable, error.Code);
        File.Delete(blocked);
        await plane.UntilAsync(snapshot => snapshot.IsStoreReachable);
        await plane.CreateServiceAsync("s", "p", [], "tester", default);
    }

    [Theory]
    [InlineData("mysql://host/db")]
    [InlineData("postgres://host:port/db")]
    public void Address_OfNoStore_IsRefused(string address) =>
        Assert.Throws<FormatException>(() => ControlOptions.CheckStore(address));

    protected override string? CreateStore() => Path.Combine(_folder, "deep", "control.db");
}
