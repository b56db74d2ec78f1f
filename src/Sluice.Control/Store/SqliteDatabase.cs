using System.Data.Common;
using Microsoft.Data.Sqlite;

namespace Sluice.Control.Store;

/// <summary>The embedded store: one file. Several processes of one machine may share it; they find changes by polling.</summary>
internal sealed class SqliteDatabase : ControlDatabase
{
    private const int Busy = 5;
    private const int Locked = 6;

    private readonly string _connectionString;
    private readonly SemaphoreSlim _writer = new(1);

    public SqliteDatabase(string path)
    {
        var full = Path.GetFullPath(path);
        DisplayName = full;
        _connectionString = new SqliteConnectionStringBuilder
        {
            DataSource = full,
            Mode = SqliteOpenMode.ReadWriteCreate,
            DefaultTimeout = 10,
        }.ToString();
    }

    public override string DisplayName { get; }

    public override string Identity => "INTEGER PRIMARY KEY AUTOINCREMENT";

    public override string Bytes => "BLOB";

    // The transaction has the whole file to itself.
    public override string ForUpdate => "";

    public override string TableExistsQuery => "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = @name";

    public override async Task<DbConnection> OpenAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(DisplayName)!);
        var connection = new SqliteConnection(_connectionString);
        try
        {
            await connection.OpenAsync(cancellationToken).ConfigureAwait(false);
            await using var command = connection.CreateCommand();

            // Readers go on beside a writer; a committed edit survives the power going.
            command.CommandText = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";
            await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public override async Task<WriteTransaction> BeginWriteAsync(CancellationToken cancellationToken)
    {
        await _writer.WaitAsync(cancellationToken).ConfigureAwait(false);
        DbConnection? connection = null;
        try
        {
            connection = await OpenAsync(cancellationToken).ConfigureAwait(false);

            // Not deferred: it takes the write lock now, so what it reads cannot change under it.
            var transaction = ((SqliteConnection)connection).BeginTransaction(deferred: false);
            return new WriteTransaction(connection, transaction, () => _writer.Release());
        }
        catch
        {
            if (connection is not null)
                await connection.DisposeAsync().ConfigureAwait(false);
            _writer.Release();
            throw;
        }
    }

    public override Task<DbTransaction> BeginReadAsync(DbConnection connection, CancellationToken cancellationToken) =>
        Task.FromResult<DbTransaction>(((SqliteConnection)connection).BeginTransaction(deferred: true));

    public override Task LockSchemaAsync(DbConnection connection, DbTransaction transaction, CancellationToken cancellationToken) =>
        Task.CompletedTask;

    public override bool IsConflict(DbException error) => error is SqliteException { SqliteErrorCode: Busy or Locked };

    public override ValueTask DisposeAsync()
    {
        using (var connection = new SqliteConnection(_connectionString))
            SqliteConnection.ClearPool(connection);
        _writer.Dispose();
        return ValueTask.CompletedTask;
    }
}
