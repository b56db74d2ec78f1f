using System.Data.Common;
using System.Security.Cryptography;
using System.Text.Json;
using Dapper;
using Sluice.Control.Records;
using Sluice.Inference;

namespace Sluice.Control.Store;

/// <summary>Reads and writes services and their records; the only place with their SQL, the same for all databases.</summary>
/// <remarks><b>Threads.</b> Any number of callers. All methods fail with <see cref="InferenceCode.Unavailable"/> when the database
/// does; what was begun is undone then.</remarks>
internal sealed class ControlStore(ControlDatabase database, TimeProvider time) : IAsyncDisposable
{
    private const int MostAttempts = 5;
    private const string ServiceColumns =
        "id AS Id, name AS Name, project AS Project, tags AS Tags, created_at AS CreatedAt, version AS Version, is_started AS IsStarted, revision AS Revision";

    public ControlDatabase Database => database;

    /// <summary>Reads the revisions of everything: what a poll looks at.</summary>
    public Task<StoreRevisions> ReadRevisionsAsync(CancellationToken cancellationToken) => ReadAsync(
        async connection =>
        {
            var services = await connection.QueryAsync<(string Id, long Revision)>(
                "SELECT id, revision FROM services ORDER BY created_at, id").ConfigureAwait(false);
            var registry = await connection.ExecuteScalarAsync<long>("SELECT revision FROM registry WHERE id = 1")
                .ConfigureAwait(false);
            return new StoreRevisions([.. services], registry);
        },
        cancellationToken);

    /// <summary>Reads a service with its records at one revision; null when there is none.</summary>
    public Task<DesiredState?> ReadServiceAsync(string id, CancellationToken cancellationToken) => ReadAsync(
        async connection =>
        {
            // One transaction, so that records and revision belong together.
            await using var transaction = await database.BeginReadAsync(connection, cancellationToken).ConfigureAwait(false);
            return await ReadStateAsync(connection, transaction, id, "").ConfigureAwait(false);
        },
        cancellationToken);

    public Task<DesiredState> CreateServiceAsync(ServiceRecord service, string actor, CancellationToken cancellationToken) => WriteAsync(
        async (connection, transaction) =>
        {
            var stored = service with { CreatedAt = service.CreatedAt.Rounded() };
            var parameters = new
            {
                stored.Id,
                stored.Name,
                stored.Project,
                Tags = JsonSerializer.Serialize(stored.Tags),
                CreatedAt = stored.CreatedAt.ToMicroseconds(),
                stored.Version,
            };
            await connection.ExecuteAsync(
                """
                INSERT INTO services (id, name, project, tags, created_at, version, is_started, revision)
                VALUES (@Id, @Name, @Project, @Tags, @CreatedAt, @Version, 0, 1)
                """,
                parameters, transaction).ConfigureAwait(false);
            await AuditAsync(
                connection, transaction, new EditNote(actor, "service.create", stored.Id), stored.Id, stored.Id, 1, null,
                RecordJson.Write(stored)).ConfigureAwait(false);
            return new DesiredState { Service = stored, Revision = 1 };
        },
        cancellationToken);

    public Task DeleteServiceAsync(string id, string actor, CancellationToken cancellationToken) => WriteAsync(
        async (connection, transaction) =>
        {
            var state = await ReadStateAsync(connection, transaction, id, database.ForUpdate).ConfigureAwait(false) ?? throw NoService(id);
            await connection.ExecuteAsync("DELETE FROM records WHERE service_id = @id", new { id }, transaction).ConfigureAwait(false);
            await connection.ExecuteAsync("DELETE FROM endpoint_status WHERE service_id = @id", new { id }, transaction)
                .ConfigureAwait(false);
            await connection.ExecuteAsync("DELETE FROM services WHERE id = @id", new { id }, transaction).ConfigureAwait(false);
            await AuditAsync(
                connection, transaction, new EditNote(actor, "service.delete", id), id, id, state.Revision + 1,
                RecordJson.Write(state.Service), null).ConfigureAwait(false);
            return state;
        },
        cancellationToken);

    /// <summary>Notes that a replica serves a service; not an edit.</summary>
    public Task MarkStartedAsync(string id, CancellationToken cancellationToken) => WriteAsync(
        (connection, transaction) => connection.ExecuteAsync(
            "UPDATE services SET is_started = 1 WHERE id = @id", new { id }, transaction),
        cancellationToken, notifies: false);

    /// <summary>Runs an edit in a transaction; <see cref="IControlPlane.EditAsync"/> says how.</summary>
    public Task<DesiredState> EditAsync(
        string id, long? expectedRevision, EditNote note, Func<DesiredState, DesiredState> edit, CancellationToken cancellationToken) =>
        WriteAsync(
            async (connection, transaction) =>
            {
                var before = await ReadStateAsync(connection, transaction, id, database.ForUpdate).ConfigureAwait(false) ??
                    throw NoService(id);
                if (expectedRevision is { } expected && expected != before.Revision)
                    throw new InferenceException(
                        InferenceCode.Aborted,
                        $"service {id} is at revision {before.Revision} and not at {expected}: somebody else has edited it; " +
                        "read it again and repeat the edit");
                var after = edit(before) with { Service = before.Service, Revision = before.Revision + 1 };
                var differences = StateRecords.Differences(before, after);
                if (differences.Count == 0)
                    return before;
                foreach (var difference in differences)
                {
                    await ApplyAsync(connection, transaction, id, difference).ConfigureAwait(false);
                    var target = difference.Key.Length == 0 ? difference.Kind : difference.Key;
                    var own = differences.Count == 1 ? note : note with { Action = $"{note.Action} ({difference.Kind})" };
                    await AuditAsync(
                        connection, transaction, own, id, target, after.Revision, difference.Before, difference.After)
                        .ConfigureAwait(false);
                }

                await connection.ExecuteAsync(
                    "UPDATE services SET revision = @revision WHERE id = @id", new { id, revision = after.Revision }, transaction)
                    .ConfigureAwait(false);
                return after;
            },
            cancellationToken);

    public Task<IReadOnlyList<AuditRecord>> ReadAuditAsync(
        string? serviceId, long beforeId, int limit, CancellationToken cancellationToken) => ReadAsync(
        async connection =>
        {
            var rows = await connection.QueryAsync<AuditRow>(
                $"""
                SELECT id AS Id, at AS At, actor AS Actor, action AS Action, service_id AS ServiceId, target AS Target,
                       revision AS Revision, before_json AS BeforeJson, after_json AS AfterJson
                FROM audit WHERE id < @beforeId {(serviceId is null ? "" : "AND service_id = @serviceId")}
                ORDER BY id DESC LIMIT @limit
                """,
                new { serviceId, beforeId = beforeId <= 0 ? long.MaxValue : beforeId, limit }).ConfigureAwait(false);
            return (IReadOnlyList<AuditRecord>)[.. rows.Select(row => row.ToRecord())];
        },
        cancellationToken);

    /// <summary>Reads random bytes that all replicas share; the first one to ask makes them.</summary>
    public Task<byte[]> ReadSecretAsync(string name, CancellationToken cancellationToken) => WriteAsync(
        async (connection, transaction) =>
        {
            const int secretBytes = 32;
            await connection.ExecuteAsync(
                "INSERT INTO secrets (name, value) VALUES (@name, @value) ON CONFLICT (name) DO NOTHING",
                new { name, value = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(secretBytes)) }, transaction).ConfigureAwait(false);
            return Convert.FromHexString(
                (await connection.ExecuteScalarAsync<string>("SELECT value FROM secrets WHERE name = @name", new { name }, transaction)
                    .ConfigureAwait(false))!);
        },
        cancellationToken, notifies: false);

    /// <summary>Runs a transaction, again when it lost against another one.</summary>
    /// <param name="work">What it does.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <param name="notifies">Wake other replicas. Default true; false for what they look at only when they are asked.</param>
    public async Task<T> WriteAsync<T>(
        Func<DbConnection, DbTransaction, Task<T>> work, CancellationToken cancellationToken, bool notifies = true)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await using var write = await database.BeginWriteAsync(cancellationToken).ConfigureAwait(false);
                var result = await work(write.Connection, write.Transaction).ConfigureAwait(false);
                if (notifies)
                    await database.NotifyAsync(write.Connection, write.Transaction).ConfigureAwait(false);
                await write.CommitAsync(cancellationToken).ConfigureAwait(false);
                return result;
            }
            catch (DbException error) when (database.IsConflict(error) && attempt < MostAttempts)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20 * attempt), time, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception error) when (IsStoreFault(error, cancellationToken))
            {
                throw database.Translate(error);
            }
        }
    }

    /// <summary>Runs queries.</summary>
    public async Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await database.OpenAsync(cancellationToken).ConfigureAwait(false);
            return await work(connection).ConfigureAwait(false);
        }
        catch (Exception error) when (IsStoreFault(error, cancellationToken))
        {
            throw database.Translate(error);
        }
    }

    /// <summary>Writes a line of the audit log.</summary>
    public Task AuditAsync(
        DbConnection connection, DbTransaction transaction, EditNote note, string serviceId, string target, long revision,
        string? before, string? after)
    {
        var row = new
        {
            at = time.GetUtcNow().ToMicroseconds(),
            note.Actor,
            note.Action,
            serviceId,
            target,
            revision,
            before,
            after,
        };
        return connection.ExecuteAsync(
            """
            INSERT INTO audit (at, actor, action, service_id, target, revision, before_json, after_json)
            VALUES (@at, @Actor, @Action, @serviceId, @target, @revision, @before, @after)
            """,
            row, transaction);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => database.DisposeAsync();

    private static InferenceException NoService(string id) =>
        new(InferenceCode.NotFound, $"there is no serving service with id '{id}'; 'list' shows those there are");

    private static bool IsStoreFault(Exception error, CancellationToken cancellationToken) => error switch
    {
        DbException or IOException or UnauthorizedAccessException or TimeoutException or System.Net.Sockets.SocketException => true,

        // Npgsql's own time limit; the caller's is no fault of the store.
        OperationCanceledException => !cancellationToken.IsCancellationRequested,
        InvalidOperationException => error.Source is "Npgsql" or "Microsoft.Data.Sqlite",
        _ => false,
    };

    private static async Task<DesiredState?> ReadStateAsync(
        DbConnection connection, DbTransaction transaction, string id, string forUpdate)
    {
        var row = await connection.QuerySingleOrDefaultAsync<ServiceRow>(
            $"SELECT {ServiceColumns} FROM services WHERE id = @id{forUpdate}", new { id }, transaction).ConfigureAwait(false);
        if (row is null)
            return null;
        var records = await connection.QueryAsync<(string Kind, string Key, string Body)>(
            "SELECT kind, key, body FROM records WHERE service_id = @id", new { id }, transaction).ConfigureAwait(false);
        return StateRecords.Assemble(
            row.ToRecord(), row.Revision, records.Select(record => new StoredRecord(record.Kind, record.Key, record.Body)));
    }

    private static Task<int> ApplyAsync(DbConnection connection, DbTransaction transaction, string id, RecordDifference difference) =>
        difference.After is null
            ? connection.ExecuteAsync(
                "DELETE FROM records WHERE service_id = @id AND kind = @Kind AND key = @Key",
                new { id, difference.Kind, difference.Key }, transaction)
            : connection.ExecuteAsync(
                """
                INSERT INTO records (service_id, kind, key, body) VALUES (@id, @Kind, @Key, @After)
                ON CONFLICT (service_id, kind, key) DO UPDATE SET body = excluded.body
                """,
                new { id, difference.Kind, difference.Key, difference.After }, transaction);
}
