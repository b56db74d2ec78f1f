using Dapper;
using Sluice.Control.Records;
using Sluice.Control.Registry;
using Sluice.Inference;

namespace Sluice.Control.Tests.Store;

/// <summary>What every kind of store must do.</summary>
public abstract class StoreSuite
{
    private static readonly EditNote Note = new("tester", "endpoint.put", "e");

    /// <summary>Address of a store that is empty; null where this kind cannot be tested.</summary>
    protected abstract string? CreateStore();

    [Fact]
    public async Task Records_OfAllKinds_AreReadAsTheyWereWritten()
    {
        if (CreateStore() is not { } store)
            return;
        DesiredState written;
        await using (var plane = await Planes.StartAsync(store))
        {
            var service = await plane.CreateServiceAsync("", "", ["a", "b"], "tester", default);
            written = await plane.EditAsync(service.Service.Id, 1, Note, _ => Samples.FullState(service.Service), default);
            Assert.Equal(2, written.Revision);
        }

        await using var other = await Planes.StartAsync(store);
        var read = other.Snapshot.Served!;
        Assert.Equal("Serving Service", read.Service.Name);
        Assert.Equal("DevOps", read.Service.Project);
        Assert.Equal(["a", "b"], read.Service.Tags);
        Assert.Equal(2, read.Revision);
        Assert.Equal(written.Endpoints, read.Endpoints);
        Assert.Equal(written.Monitors, read.Monitors);
        Assert.Equal(written.Canaries, read.Canaries);
        Assert.Equal(written.Metrics, read.Metrics);
        Assert.Equal(written.Artifacts, read.Artifacts);
        Assert.Equal(written.Parameters, read.Parameters);
        Assert.Equal(written.AssignedVersions, read.AssignedVersions);
    }

    [Fact]
    public async Task Edit_OfAnotherRevision_ChangesNothing()
    {
        if (CreateStore() is not { } store)
            return;
        await using var plane = await Planes.StartAsync(store);
        var id = (await plane.CreateServiceAsync("s", "p", [], "tester", default)).Service.Id;
        await plane.EditAsync(id, 1, Note, state => With(state, "first"), default);
        var error = await Assert.ThrowsAsync<InferenceException>(
            () => plane.EditAsync(id, 1, Note, state => With(state, "second"), default));
        Assert.Equal(InferenceCode.Aborted, error.Code);
        Assert.Contains("revision 2", error.Message, StringComparison.Ordinal);
        await plane.RefreshAsync(default);
        Assert.Equal(["first"], plane.Snapshot.Served!.Endpoints.Keys);
        Assert.Single(await plane.ListAuditAsync(id, 0, 10, default), entry => entry.Action == "endpoint.put");
    }

    [Fact]
    public async Task Edit_ThatThrowsOrChangesNothing_LeavesTheRevision()
    {
        if (CreateStore() is not { } store)
            return;
        await using var plane = await Planes.StartAsync(store);
        var id = (await plane.CreateServiceAsync("s", "p", [], "tester", default)).Service.Id;
        await Assert.ThrowsAsync<InferenceException>(
            () => plane.EditAsync(id, null, Note, _ => throw InferenceException.Invalid("no"), default));
        var same = await plane.EditAsync(id, null, Note, state => state, default);
        Assert.Equal(1, same.Revision);
        var missing = await Assert.ThrowsAsync<InferenceException>(() => plane.EditAsync("none", null, Note, state => state, default));
        Assert.Equal(InferenceCode.NotFound, missing.Code);
    }

    [Fact]
    public async Task Edits_OfTwoReplicasAtOnce_LoseNothing()
    {
        if (CreateStore() is not { } store)
            return;
        const int Each = 25;
        await using var first = await Planes.StartAsync(store, "r1");
        await using var second = await Planes.StartAsync(store, "r2");
        var id = (await first.CreateServiceAsync("s", "p", [], "tester", default)).Service.Id;
        var edits = new[] { first, second }.SelectMany((plane, p) => Enumerable.Range(0, Each).Select(
            i => Task.Run(() => plane.EditAsync(id, null, Note, state => With(state, $"e{p}-{i}"), default))));
        var states = await Task.WhenAll(edits);
        Assert.Equal(Enumerable.Range(2, 2 * Each).Select(revision => (long)revision), states.Select(state => state.Revision).Order());
        foreach (var plane in new[] { first, second })
        {
            var snapshot = await plane.UntilAsync(now => now.Served?.Revision == 1 + (2 * Each));
            Assert.Equal(2 * Each, snapshot.Served!.Endpoints.Count);
        }
    }

    [Fact]
    public async Task Changes_OfOneReplica_ReachTheOther()
    {
        if (CreateStore() is not { } store)
            return;
        await using var writer = await Planes.StartAsync(store, "r1");
        await using var reader = await Planes.StartAsync(store, "r2");
        var id = (await writer.CreateServiceAsync("s", "p", [], "tester", default)).Service.Id;
        await reader.UntilAsync(snapshot => snapshot.Services.ContainsKey(id));
        await writer.EditAsync(id, null, Note, state => With(state, "e"), default);
        await reader.UntilAsync(snapshot => snapshot.Served?.Endpoints.ContainsKey("e") == true);
        await writer.Registry.AddAsync(Samples.Model("m"), "tester", default);
        await reader.UntilAsync(snapshot => snapshot.RegistryRevision == 1);
        await reader.UntilAsync(snapshot => snapshot.Served!.Service.IsStarted);
        await writer.DeleteServiceAsync(id, "tester", default);
        var gone = await reader.UntilAsync(snapshot => snapshot.Services.Count == 0);
        Assert.Null(gone.Served);
    }

    [Fact]
    public async Task ServedService_OfSeveral_IsTheOldestEverywhere()
    {
        if (CreateStore() is not { } store)
            return;
        await using var first = await Planes.StartAsync(store, "r1");
        var oldest = (await first.CreateServiceAsync("one", "p", [], "tester", default)).Service.Id;
        await first.CreateServiceAsync("two", "p", [], "tester", default);
        await using var second = await Planes.StartAsync(store, "r2");
        Assert.Equal(oldest, first.Snapshot.ServedServiceId);
        Assert.Equal(oldest, second.Snapshot.ServedServiceId);
    }

    [Fact]
    public async Task Audit_OfAnEdit_SaysWhoWhatAndBothStates()
    {
        if (CreateStore() is not { } store)
            return;
        await using var plane = await Planes.StartAsync(store);
        var id = (await plane.CreateServiceAsync("s", "p", [], "alice", default)).Service.Id;
        await plane.EditAsync(id, null, Note, state => With(state, "e"), default);
        await plane.EditAsync(
            id, null, new EditNote("bob", "endpoint.delete", "e"), state => state with { Endpoints = state.Endpoints.Without("e") }, default);
        var entries = await plane.ListAuditAsync(id, 0, 10, default);
        Assert.Equal(["endpoint.delete", "endpoint.put", "service.create"], entries.Select(entry => entry.Action));
        Assert.Equal(["bob", "tester", "alice"], entries.Select(entry => entry.Actor));
        Assert.Equal([3, 2, 1], entries.Select(entry => entry.Revision));
        Assert.Null(entries[0].AfterJson);
        Assert.Equal(entries[1].AfterJson, entries[0].BeforeJson);
        Assert.Contains("\"engine_type\":\"custom\"", entries[0].BeforeJson, StringComparison.Ordinal);
        Assert.Equal(entries[2], Assert.Single(await plane.ListAuditAsync(null, entries[1].Id, 1, default)));
    }

    [Fact]
    public async Task Registry_OfTwoReplicasAtOnce_NumbersEveryModelOnce()
    {
        if (CreateStore() is not { } store)
            return;
        await using var first = await Planes.StartAsync(store, "r1");
        await using var second = await Planes.StartAsync(store, "r2");
        await Task.WhenAll(Enumerable.Range(0, 20).Select(
            i => Task.Run(() => (i % 2 == 0 ? first : second).Registry.AddAsync(Samples.Model($"m{i}"), "tester", default))));
        var models = await second.Models.QueryAsync(new ModelQuery(), default);
        Assert.Equal(Enumerable.Range(1, 20).Reverse().Select(order => (long)order), models.Select(model => model.CreatedOrder));
        Assert.Equal(models.OrderByDescending(model => model.CreatedAt).Select(model => model.Id), models.Select(model => model.Id));
    }

    [Fact]
    public async Task Registry_Queries_SelectByEverySelector()
    {
        if (CreateStore() is not { } store)
            return;
        await using var plane = await Planes.StartAsync(store);
        var registry = plane.Registry;
        foreach (var (name, project, tag) in new[] { ("a", "p", "x"), ("a b", "p", "y"), ("a", "q", "x"), ("c.d", "q", "z") })
            await registry.AddAsync(Samples.Model(name, project, tag), "tester", default);
        Assert.Equal(["a", "a b"], await NamesAsync(new ModelQuery { Project = "p" }));
        Assert.Equal(["a", "a"], await NamesAsync(new ModelQuery { Name = "a" }));
        Assert.Equal(["a b"], await NamesAsync(new ModelQuery { Name = "^a .$" }));
        Assert.Empty(await NamesAsync(new ModelQuery { Name = "c?d" }));
        Assert.Equal(["a", "a b", "a"], await NamesAsync(new ModelQuery { Tags = ["-z"] }));
        Assert.Equal(["a"], await NamesAsync(new ModelQuery { Project = "q", Tags = ["x", "y"] }));
        Assert.Equal(["a", "c.d"], await NamesAsync(new ModelQuery { Limit = 2 }));
        var newest = (await registry.QueryAsync(new ModelQuery { Limit = 1 }, default))[0];
        await registry.UpdateAsync(newest.Id, Note, model => model with { IsArchived = true }, default);
        Assert.Equal(["a", "a b", "a"], await NamesAsync(new ModelQuery()));
        Assert.Contains("c.d", await NamesAsync(new ModelQuery { IncludesArchived = true }));
        var oldest = (await registry.QueryAsync(new ModelQuery { Project = "p", Name = "a" }, default))[0];
        await registry.UpdateAsync(oldest.Id, Note, model => model with { IsPublished = true }, default);
        Assert.Equal(["a"], await NamesAsync(new ModelQuery { OnlyPublished = true }));
        Assert.Equal([("p", 2), ("q", 1)], await registry.ListProjectsAsync(default));
        var found = await registry.FindAsync(newest.Id, default);
        Assert.Equal(newest with { IsArchived = true, UpdatedAt = found!.UpdatedAt }, found);
        await registry.DeleteAsync(newest.Id, "tester", default);
        Assert.Null(await registry.FindAsync(newest.Id, default));

        async Task<IEnumerable<string>> NamesAsync(ModelQuery query) =>
            (await registry.QueryAsync(query, default)).Reverse().Select(model => model.Name);
    }

    [Fact]
    public async Task Record_ThatCannotBeRead_IsLeftOutAndCanBeRemoved()
    {
        if (CreateStore() is not { } store)
            return;
        string id;
        await using (var plane = await Planes.StartAsync(store))
        {
            id = (await plane.CreateServiceAsync("s", "p", [], "tester", default)).Service.Id;
            await plane.EditAsync(id, null, Note, state => With(state, "good"), default);
            await plane.Store.WriteAsync(
                async (connection, transaction) =>
                {
                    foreach (var (key, body) in new[] { ("bad", "{\"endpoint\": \"c\"}"), ("worse", "{ not json"), ("null", "null") })
                    {
                        var row = new { id, key, body };
                        await connection.ExecuteAsync(
                            "INSERT INTO records (service_id, kind, key, body) VALUES (@id, 'endpoint', @key, @body)", row, transaction);
                    }

                    return 0;
                },
                default);
        }

        await using var other = await Planes.StartAsync(store);
        var read = other.Snapshot.Served!;
        Assert.Equal(["good"], read.Endpoints.Keys);
        Assert.Equal(["endpoint:bad", "endpoint:null", "endpoint:worse"], read.Unreadable.Keys);
        var edited = await other.EditAsync(
            id, null, Note, state => state with { Unreadable = state.Unreadable.Without("endpoint:bad") }, default);
        Assert.Equal(["endpoint:null", "endpoint:worse"], (await other.Store.ReadServiceAsync(id, default))!.Unreadable.Keys);
        Assert.Equal(read.Revision + 1, edited.Revision);
    }

    [Fact]
    public async Task Schema_OfANewerProgram_IsRefused()
    {
        if (CreateStore() is not { } store)
            return;
        await using (var plane = await Planes.StartAsync(store))
            await plane.Store.WriteAsync(
                (connection, transaction) => connection.ExecuteAsync("UPDATE schema_version SET version = 99", transaction: transaction),
                default);
        var error = await Assert.ThrowsAsync<InferenceException>(() => Planes.StartAsync(store));
        Assert.Equal(InferenceCode.FailedPrecondition, error.Code);
        Assert.Contains("99", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Schema_MadeByManyAtOnce_IsMadeOnce()
    {
        if (CreateStore() is not { } store)
            return;
        var planes = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => Task.Run(() => Planes.StartAsync(store, $"r{i}"))));
        foreach (var plane in planes)
        {
            Assert.True(plane.Snapshot.IsStoreReachable);
            await plane.DisposeAsync();
        }
    }

    [Fact]
    public async Task Statuses_OfOneReplica_AreSeenByTheOtherAndGoWithIt()
    {
        if (CreateStore() is not { } store)
            return;
        await using var reader = await Planes.StartAsync(store, "r2");
        var id = (await reader.CreateServiceAsync("s", "p", [], "tester", default)).Service.Id;
        await using (var writer = await Planes.StartAsync(store, "r1"))
        {
            writer.Statuses.Report(new EndpointStatus("", id, "e", EndpointPhase.Downloading) { Progress = 0.5, Reason = "why" });
            reader.Statuses.Report(new EndpointStatus("", id, "e", EndpointPhase.Ready));
            await Planes.UntilAsync(async () => (await reader.Statuses.ListAsync(id, default)).Count == 2);
            var statuses = await reader.Statuses.ListAsync(id, default);
            Assert.Equal([("r1", EndpointPhase.Downloading), ("r2", EndpointPhase.Ready)], statuses.Select(s => (s.Replica, s.Phase)));
            Assert.Equal((0.5, "why"), (statuses[0].Progress, statuses[0].Reason));
            writer.Statuses.Report(statuses[0] with { Phase = EndpointPhase.Ready });
            await Planes.UntilAsync(async () => (await reader.Statuses.ListAsync(id, default))[0].Phase == EndpointPhase.Ready);
        }

        Assert.Equal(["r2"], (await reader.Statuses.ListAsync(id, default)).Select(status => status.Replica));
        reader.Statuses.Remove(id, "e");
        Assert.Empty(await reader.Statuses.ListAsync(id, default));
    }

    internal static DesiredState With(DesiredState state, string key) => state with
    {
        Endpoints = state.Endpoints.With(key, new EndpointSpec { EngineType = EngineNames.Custom, ServingUrl = key }),
    };
}
