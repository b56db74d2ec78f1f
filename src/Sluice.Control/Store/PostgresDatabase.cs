using System.Data.Common;
using Npgsql;

namespace Sluice.Control.Store;

/// <summary>The shared store of several replicas; tells them of changes by NOTIFY.</summary>
internal sealed class PostgresDatabase : ControlDatabase
{
    private const string Channel = "sluice_control";

    // Any number, the same in every process.
    private const long SchemaLock = 0x536C7569;

    private readonly NpgsqlDataSource _source;
    private NpgsqlConnection? _listener;

    /// <param name="address">postgres://user:password@host:port/database?option=value, or Npgsql's own form.</param>
    /// <exception cref="FormatException">It is neither.</exception>
    public PostgresDatabase(string address)
    {
        var settings = Parse(address);
        DisplayName = $"postgres://{settings.Host}:{settings.Port}/{settings.Database}";
        _source = NpgsqlDataSource.Create(settings);
    }

    public override string DisplayName { get; }

    public override string Identity => "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY";

    public override string Bytes => "BYTEA";

    public override string ForUpdate => " FOR UPDATE";

    public override bool Pushes => true;

    public override string TableExistsQuery => "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = @name";

    public override async Task<DbConnection> OpenAsync(CancellationToken cancellationToken) =>
        await _source.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);

    public override async Task<WriteTransaction> BeginWriteAsync(CancellationToken cancellationToken)
    {
        var connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return new WriteTransaction(connection, await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public override async Task<DbTransaction> BeginReadAsync(DbConnection connection, CancellationToken cancellationToken) =>
        await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, cancellationToken).ConfigureAwait(false);

    public override async Task LockSchemaAsync(
        DbConnection connection, DbTransaction transaction, CancellationToken cancellationToken)
    {
        await using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = $"SELECT pg_advisory_xact_lock({SchemaLock})";
        await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

    public override async Task NotifyAsync(DbConnection connection, DbTransaction transaction)
    {
        await using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = $"NOTIFY {Channel}";
        await command.ExecuteNonQueryAsync().ConfigureAwait(false);
    }

    public override async Task WaitForNotificationAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (_listener is null)
            {
                _listener = await _source.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
                await using var command = _listener.CreateCommand();
                command.CommandText = $"LISTEN {Channel}";
                await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);

                // What happened before the connection listened was told to nobody here.
                return;
            }

            await _listener.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            var broken = _listener;
            _listener = null;
            if (broken is not null)
                await broken.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public override bool IsConflict(DbException error) => error is PostgresException
    {
        SqlState: PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.DeadlockDetected,
    };

    public override async ValueTask DisposeAsync()
    {
        if (_listener is not null)
            await _listener.DisposeAsync().ConfigureAwait(false);
        await _source.DisposeAsync().ConfigureAwait(false);
    }

    private static NpgsqlConnectionStringBuilder Parse(string address)
    {
        try
        {
            if (!address.Contains("://", StringComparison.Ordinal))
                return Bounded(new NpgsqlConnectionStringBuilder(address));
            var uri = new Uri(address);
            var user = uri.UserInfo.Split(':', 2);
            var settings = new NpgsqlConnectionStringBuilder
            {
                Host = uri.Host,
                Port = uri.Port > 0 ? uri.Port : 5432,
                Database = Uri.UnescapeDataString(uri.AbsolutePath.Trim('/')),
            };
            if (user[0].Length > 0)
                settings.Username = Uri.UnescapeDataString(user[0]);
            if (user.Length > 1)
                settings.Password = Uri.UnescapeDataString(user[1]);
            foreach (var pair in uri.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
            {
                var parts = pair.Split('=', 2);
                var value = Uri.UnescapeDataString(parts.Length > 1 ? parts[1] : "");
                settings[parts[0] == "sslmode" ? "SSL Mode" : Uri.UnescapeDataString(parts[0])] = value;
            }

            return Bounded(settings);
        }
        catch (Exception error) when (error is ArgumentException or UriFormatException or FormatException)
        {
            throw new FormatException($"'{address.Split('@')[^1]}' is no address of a PostgreSQL database: {error.Message}", error);
        }
    }

    // A store that does not answer must not hold an edit, or the end of the server, for minutes.
    private static NpgsqlConnectionStringBuilder Bounded(NpgsqlConnectionStringBuilder settings)
    {
        if (!settings.ContainsKey("Timeout"))
            settings.Timeout = 5;
        if (!settings.ContainsKey("Command Timeout"))
            settings.CommandTimeout = 10;
        settings.KeepAlive = settings.KeepAlive == 0 ? 30 : settings.KeepAlive;
        settings.ApplicationName ??= "sluice";
        return settings;
    }
}
