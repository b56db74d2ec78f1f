using System.Data.Common;
using Sluice.Inference;

namespace Sluice.Control.Store;

/// <summary>What differs between databases: how to connect, how to take a lock, how to tell others of a change.</summary>
/// <remarks><b>Threads.</b> Any number of callers; a connection belongs to one.</remarks>
internal abstract class ControlDatabase : IAsyncDisposable
{
    /// <summary>For messages; without secrets.</summary>
    public abstract string DisplayName { get; }

    /// <summary>Column type that numbers rows.</summary>
    public abstract string Identity { get; }

    /// <summary>Column type of bytes.</summary>
    public abstract string Bytes { get; }

    /// <summary>End of a query that locks the rows it finds.</summary>
    public abstract string ForUpdate { get; }

    /// <summary>Others are told of changes as they happen, so that polling is only a safety net.</summary>
    public virtual bool Pushes => false;

    /// <summary>Opens a connection; the caller disposes it.</summary>
    public abstract Task<DbConnection> OpenAsync(CancellationToken cancellationToken);

    /// <summary>Begins a transaction that writes; where there is one writer it waits for its turn.</summary>
    public abstract Task<WriteTransaction> BeginWriteAsync(CancellationToken cancellationToken);

    /// <summary>Begins a transaction whose queries all see the database at one moment.</summary>
    public abstract Task<DbTransaction> BeginReadAsync(DbConnection connection, CancellationToken cancellationToken);

    /// <summary>Makes sure that one process at a time migrates the schema.</summary>
    public abstract Task LockSchemaAsync(DbConnection connection, DbTransaction transaction, CancellationToken cancellationToken);

    /// <summary>Tells whether a table exists.</summary>
    public abstract string TableExistsQuery { get; }

    /// <summary>Tells other processes that something has changed, once the transaction commits.</summary>
    public virtual Task NotifyAsync(DbConnection connection, DbTransaction transaction) => Task.CompletedTask;

    /// <summary>Completes when another process may have changed something; fails when the connection is lost.</summary>
    public virtual Task WaitForNotificationAsync(CancellationToken cancellationToken) =>
        Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);

    /// <summary>The transaction lost against another one and may be run again.</summary>
    public abstract bool IsConflict(DbException error);

    /// <summary>Turns what a database throws into a status.</summary>
    public InferenceException Translate(Exception error) => new(
        InferenceCode.Unavailable,
        $"the control plane's store {DisplayName} cannot be used now: {error.Message}. Nothing was changed; try again later", error);

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();
}

/// <summary>A transaction with its connection; disposing without a commit undoes it.</summary>
internal sealed class WriteTransaction(DbConnection connection, DbTransaction transaction, Action? ended = null) : IAsyncDisposable
{
    public DbConnection Connection => connection;

    public DbTransaction Transaction => transaction;

    public Task CommitAsync(CancellationToken cancellationToken) => transaction.CommitAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        try
        {
            await transaction.DisposeAsync().ConfigureAwait(false);
            await connection.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            ended?.Invoke();
        }
    }
}
