using Sluice.Inference;

namespace Sluice.Control.Tests.Store;

/// <summary>The suite on PostgreSQL, and what happens when the server goes away.</summary>
[Collection(PostgresGroup.Name)]
public sealed class PostgresStoreTests(PostgresGroup.Fixture postgres) : StoreSuite
{
    private static readonly EditNote Note = new("tester", "endpoint.put", "e");

    [Fact]
    public async Task Changes_WithoutPolling_ArePushed()
    {
        if (CreateStore() is not { } store)
            return;
        await using var writer = await Planes.StartAsync(store, "r1", TimeSpan.FromHours(1));
        await using var reader = await Planes.StartAsync(store, "r2", TimeSpan.FromHours(1));
        var id = (await writer.CreateServiceAsync("s", "p", [], "tester", default)).Service.Id;
        await reader.UntilAsync(snapshot => snapshot.Services.ContainsKey(id));
        for (var i = 0; i < 5; i++)
        {
            var edited = await writer.EditAsync(id, null, Note, state => With(state, $"e{i}"), default);
            await reader.UntilAsync(snapshot => snapshot.Served!.Revision == edited.Revision);
        }
    }

    [Fact]
    public async Task Server_StoppedAndStartedAgain_OnlyRefusesEditsMeanwhile()
    {
        if (CreateStore() is not { } store)
            return;
        await using var plane = await Planes.StartAsync(store);
        var id = (await plane.CreateServiceAsync("s", "p", [], "tester", default)).Service.Id;
        await plane.EditAsync(id, null, Note, state => With(state, "before"), default);
        postgres.Server!.Stop();
        try
        {
            var error = await Assert.ThrowsAsync<InferenceException>(
                () => plane.EditAsync(id, null, Note, state => With(state, "meanwhile"), default));
            Assert.Equal(InferenceCode.Unavailable, error.Code);
            Assert.Contains("Nothing was changed", error.Message, StringComparison.Ordinal);
            var known = await plane.UntilAsync(snapshot => !snapshot.IsStoreReachable);
            Assert.Equal(["before"], known.Served!.Endpoints.Keys);
        }
        finally
        {
            postgres.Server.Start();
        }

        await plane.UntilAsync(snapshot => snapshot.IsStoreReachable);
        await plane.EditAsync(id, null, Note, state => With(state, "after"), default);
        await using var other = await Planes.StartAsync(store, "r2");
        Assert.Equal(["after", "before"], other.Snapshot.Served!.Endpoints.Keys);
    }

    protected override string? CreateStore() => postgres.CreateDatabase();
}
