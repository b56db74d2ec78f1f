using System.Data.Common;
using System.Diagnostics;
using Microsoft.Data.Sqlite;
using Sluice.Inference;

namespace Sluice.Control.Store;

/// <summary>Lets another part keep tables of its own in a database of the same kinds as the control plane's, with a schema of its own.</summary>
/// <remarks>
/// <para>One text of SQL for all databases: <c>{identity}</c> and <c>{bytes}</c> in steps stand for column types.</para>
/// <para><b>Threads.</b> Any number of callers. All methods fail with <see cref="InferenceCode.Unavailable"/> when the database does, and with
/// <see cref="InferenceCode.FailedPrecondition"/> when a newer program has written the tables; what was begun is undone then.</para>
/// </remarks>
public sealed class SharedTables : IAsyncDisposable
{
    // What was under way when the file was moved fails, too, and says nothing of the new one.
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(5);

    private const int Corrupt = 11;
    private const int NotADatabase = 26;

    private readonly ControlStore _store;
    private readonly IReadOnlyList<string> _steps;
    private readonly string _versionTable;
    private readonly Lock _lock = new();
    private long? _asideAt;
    private volatile bool _hasSchema;

    /// <summary>Opens nothing yet.</summary>
    /// <param name="address">As of the control plane's store.</param>
    /// <param name="versionTable">Where the version of the schema stands.</param>
    /// <param name="steps">The schema's steps, never changed once released.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="FormatException">The address means no database.</exception>
    public SharedTables(string address, string versionTable, IReadOnlyList<string> steps, TimeProvider time)
    {
        _store = new ControlStore(ControlDatabases.Create(address), time);
        _steps = steps;
        _versionTable = versionTable;
    }

    /// <summary>For messages; without secrets.</summary>
    public string DisplayName => _store.Database.DisplayName;

    /// <summary>End of a query that locks the rows it finds.</summary>
    public string ForUpdate => _store.Database.ForUpdate;

    /// <summary>Finds where tables go that belong beside a store: the same server, or a file of their own.</summary>
    /// <param name="address">Of the store.</param>
    /// <param name="name">Ends the file's name.</param>
    /// <param name="folder">Another folder for the file; empty = the store's.</param>
    public static string Beside(string address, string name, string folder = "") => ControlDatabases.Beside(address, name, folder);

    /// <summary>Moves a file that is no database any more aside, so that the next attempt makes a new one.</summary>
    /// <param name="error">What the last attempt threw.</param>
    /// <returns>The file's new name; null when the fault is another.</returns>
    public string? SetAside(InferenceException error)
    {
        if (error.InnerException is not SqliteException { SqliteErrorCode: Corrupt or NotADatabase } || !File.Exists(DisplayName))
            return null;
        var aside = DisplayName + ".broken";
        lock (_lock)
        {
            if (_asideAt is { } last && Stopwatch.GetElapsedTime(last) < Settling)
                return null;
            try
            {
                SqliteConnection.ClearAllPools();
                File.Move(DisplayName, aside, overwrite: true);
                File.Delete(DisplayName + "-wal");
                File.Delete(DisplayName + "-shm");
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                return null;
            }

            _asideAt = Stopwatch.GetTimestamp();
            _hasSchema = false;
            return aside;
        }
    }

    /// <summary>Runs queries.</summary>
    public async Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken cancellationToken)
    {
        await EnsureAsync(cancellationToken).ConfigureAwait(false);
        return await _store.ReadAsync(work, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Runs a transaction, again when it lost against another one.</summary>
    public async Task<T> WriteAsync<T>(Func<DbConnection, DbTransaction, Task<T>> work, CancellationToken cancellationToken)
    {
        await EnsureAsync(cancellationToken).ConfigureAwait(false);
        return await _store.WriteAsync(work, cancellationToken, notifies: false).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _store.DisposeAsync();

    private async Task EnsureAsync(CancellationToken cancellationToken)
    {
        if (_hasSchema)
            return;
        await SchemaMigration.ApplyAsync(_store, _steps, cancellationToken, _versionTable).ConfigureAwait(false);
        _hasSchema = true;
    }
}
