using System.Data.Common;
using Dapper;
using Sluice.Inference;

namespace Sluice.Control.Store;

/// <summary>Brings a database to the schema that this program knows.</summary>
internal static class SchemaMigration
{
    /// <summary>Runs the steps that are missing, all or none of them; several processes may do so at once.</summary>
    /// <exception cref="InferenceException"><see cref="InferenceCode.FailedPrecondition"/>: a newer program has written it;
    /// <see cref="InferenceCode.Unavailable"/>: it cannot be reached.</exception>
    /// <param name="store">The database.</param>
    /// <param name="steps">All steps.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <param name="table">Where the version of the schema stands; each part with tables of its own has one.</param>
    public static Task<int> ApplyAsync(
        ControlStore store, IReadOnlyList<string> steps, CancellationToken cancellationToken, string table = "schema_version") => store.WriteAsync(
        async (connection, transaction) =>
        {
            await store.Database.LockSchemaAsync(connection, transaction, cancellationToken).ConfigureAwait(false);
            var version = await ReadVersionAsync(store.Database, connection, transaction, table).ConfigureAwait(false);
            if (version > steps.Count)
                throw new InferenceException(
                    InferenceCode.FailedPrecondition,
                    $"the control plane's store {store.Database.DisplayName} has schema version {version}, and this program knows " +
                    $"versions up to {steps.Count}: use the newer program, or another store");
            for (var step = version; step < steps.Count; step++)
            {
                var sql = steps[step].Replace("{identity}", store.Database.Identity, StringComparison.Ordinal)
                    .Replace("{bytes}", store.Database.Bytes, StringComparison.Ordinal);
                await connection.ExecuteAsync(sql, transaction: transaction).ConfigureAwait(false);
            }

            if (version < steps.Count)
                await connection.ExecuteAsync(
                    $"UPDATE {table} SET version = @version", new { version = (long)steps.Count }, transaction)
                    .ConfigureAwait(false);
            return version;
        },
        cancellationToken);

    private static async Task<int> ReadVersionAsync(
        ControlDatabase database, DbConnection connection, DbTransaction transaction, string table)
    {
        var exists = await connection.ExecuteScalarAsync<long>(
            database.TableExistsQuery, new { name = table }, transaction).ConfigureAwait(false);
        if (exists > 0)
            return (int)await connection.ExecuteScalarAsync<long>($"SELECT version FROM {table}", transaction: transaction)
                .ConfigureAwait(false);
        await connection.ExecuteAsync(
            $"CREATE TABLE {table} (version BIGINT NOT NULL); INSERT INTO {table} (version) VALUES (0)",
            transaction: transaction).ConfigureAwait(false);
        return 0;
    }
}
