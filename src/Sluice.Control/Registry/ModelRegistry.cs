using System.Data.Common;
using Dapper;
using Sluice.Control.Records;
using Sluice.Control.Store;
using Sluice.Inference;

namespace Sluice.Control.Registry;

/// <summary>The models of a store.</summary>
internal sealed class ModelRegistry(ControlStore store, TimeProvider time) : IModelRegistry
{
    private const int RowsPerQuery = 1000;

    public Task<ModelRecord?> FindAsync(string modelId, CancellationToken cancellationToken) => store.ReadAsync(
        async connection =>
        {
            var body = await connection.QuerySingleOrDefaultAsync<string>(
                "SELECT body FROM models WHERE id = @modelId", new { modelId }).ConfigureAwait(false);
            return body is null ? null : RecordJson.Read<ModelRecord>(body);
        },
        cancellationToken);

    public Task<IReadOnlyList<ModelRecord>> QueryAsync(ModelQuery query, CancellationToken cancellationToken)
    {
        var name = new NameFilter(query.Name);
        var tags = TagFilter.Parse(query.Tags);
        return store.ReadAsync(
            async connection =>
            {
                var found = new List<ModelRecord>();
                var before = query.BeforeOrder <= 0 ? long.MaxValue : query.BeforeOrder;
                while (found.Count < query.Limit)
                {
                    var rows = (await connection.QueryAsync<string>(
                        $"""
                        SELECT body FROM models WHERE created_order < @before
                        {(query.Project is null ? "" : "AND project = @Project")} {(name.Exact is null ? "" : "AND name = @Exact")}
                        {(query.OnlyPublished ? "AND is_published = 1" : "")} {(query.IncludesArchived ? "" : "AND is_archived = 0")}
                        ORDER BY created_order DESC LIMIT @limit
                        """,
                        new { before, query.Project, name.Exact, limit = RowsPerQuery }).ConfigureAwait(false)).AsList();
                    var models = rows.ConvertAll(RecordJson.Read<ModelRecord>);
                    found.AddRange(models.Where(model => name.Accepts(model.Name) && tags.Accepts(model.Tags))
                        .Take(query.Limit - found.Count));
                    if (models.Count < RowsPerQuery)
                        break;
                    before = models[^1].CreatedOrder;
                }

                return (IReadOnlyList<ModelRecord>)found;
            },
            cancellationToken);
    }

    /// <summary>Lists projects with their numbers of models that are not archived.</summary>
    public Task<IReadOnlyList<(string Name, int ModelCount)>> ListProjectsAsync(CancellationToken cancellationToken) => store.ReadAsync(
        async connection =>
        {
            var rows = await connection.QueryAsync<(string Name, long Count)>(
                "SELECT project, CAST(sum(1 - is_archived) AS BIGINT) FROM models GROUP BY project ORDER BY project")
                .ConfigureAwait(false);
            return (IReadOnlyList<(string, int)>)[.. rows.Select(row => (row.Name, (int)row.Count))];
        },
        cancellationToken);

    /// <summary>Enters a model; its order and times are given here.</summary>
    public Task<ModelRecord> AddAsync(ModelRecord model, string actor, CancellationToken cancellationToken) => store.WriteAsync(
        async (connection, transaction) =>
        {
            // One row serialises all entries, so that the order is the one in which they are seen.
            var last = await connection.ExecuteScalarAsync<long>(
                $"SELECT last_order FROM registry WHERE id = 1{store.Database.ForUpdate}", transaction: transaction).ConfigureAwait(false);
            var now = time.GetUtcNow().Rounded();
            var entered = model with { CreatedOrder = last + 1, CreatedAt = now, UpdatedAt = now };
            await connection.ExecuteAsync(
                """
                INSERT INTO models (id, created_order, name, project, is_published, is_archived, body)
                VALUES (@Id, @CreatedOrder, @Name, @Project, @published, @archived, @body)
                """,
                Row(entered), transaction).ConfigureAwait(false);
            await connection.ExecuteAsync(
                "UPDATE registry SET last_order = @order WHERE id = 1", new { order = last + 1 }, transaction).ConfigureAwait(false);
            await NoteAsync(connection, transaction, new EditNote(actor, "model.add", entered.Id), null, entered).ConfigureAwait(false);
            return entered;
        },
        cancellationToken);

    /// <summary>Changes a model in one transaction.</summary>
    /// <param name="id">The model.</param>
    /// <param name="note">For the audit log.</param>
    /// <param name="change">Gives the new record from the present one; equal records change nothing.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public Task<ModelRecord> UpdateAsync(
        string id, EditNote note, Func<ModelRecord, ModelRecord> change, CancellationToken cancellationToken) => store.WriteAsync(
        async (connection, transaction) =>
        {
            var before = await FindForUpdateAsync(connection, transaction, id).ConfigureAwait(false);
            var after = change(before);
            if (after == before)
                return before;
            after = after with { UpdatedAt = time.GetUtcNow().Rounded() };
            await connection.ExecuteAsync(
                """
                UPDATE models SET name = @Name, project = @Project, is_published = @published, is_archived = @archived, body = @body
                WHERE id = @Id
                """,
                Row(after), transaction).ConfigureAwait(false);
            await NoteAsync(connection, transaction, note, before, after).ConfigureAwait(false);
            return after;
        },
        cancellationToken);

    /// <summary>Removes a model.</summary>
    /// <returns>What it was.</returns>
    public Task<ModelRecord> DeleteAsync(string id, string actor, CancellationToken cancellationToken) => store.WriteAsync(
        async (connection, transaction) =>
        {
            var before = await FindForUpdateAsync(connection, transaction, id).ConfigureAwait(false);
            await connection.ExecuteAsync("DELETE FROM models WHERE id = @id", new { id }, transaction).ConfigureAwait(false);
            await NoteAsync(connection, transaction, new EditNote(actor, "model.delete", id), before, null).ConfigureAwait(false);
            return before;
        },
        cancellationToken);

    /// <summary>Says that there is no such model, and how to find one.</summary>
    public static InferenceException NotFound(string id) =>
        new(InferenceCode.NotFound, $"there is no model with id '{id}' in the registry; query by project, name or tags to find one");

    private async Task<ModelRecord> FindForUpdateAsync(DbConnection connection, DbTransaction transaction, string id)
    {
        var body = await connection.QuerySingleOrDefaultAsync<string>(
            $"SELECT body FROM models WHERE id = @id{store.Database.ForUpdate}", new { id }, transaction).ConfigureAwait(false);
        return body is null ? throw NotFound(id) : RecordJson.Read<ModelRecord>(body);
    }

    private static object Row(ModelRecord model) => new
    {
        model.Id,
        model.CreatedOrder,
        model.Name,
        model.Project,
        published = model.IsPublished ? 1L : 0,
        archived = model.IsArchived ? 1L : 0,
        body = RecordJson.Write(model),
    };

    private async Task NoteAsync(
        DbConnection connection, DbTransaction transaction, EditNote note, ModelRecord? before, ModelRecord? after)
    {
        await connection.ExecuteAsync("UPDATE registry SET revision = revision + 1 WHERE id = 1", transaction: transaction)
            .ConfigureAwait(false);
        var revision = await connection.ExecuteScalarAsync<long>("SELECT revision FROM registry WHERE id = 1", transaction: transaction)
            .ConfigureAwait(false);
        await store.AuditAsync(
            connection, transaction, note, "", note.Target, revision, before is null ? null : RecordJson.Write(before),
            after is null ? null : RecordJson.Write(after)).ConfigureAwait(false);
    }
}
