using Dapper;
using Sluice.Control.Records;

namespace Sluice.Control.Store;

/// <summary>What replicas have told about their endpoints.</summary>
internal sealed class StatusStore(ControlStore store, TimeProvider time)
{
    /// <summary>Writes what a replica tells; a status of null = the replica does not have the endpoint any more.</summary>
    public Task WriteAsync(
        string replica, IReadOnlyCollection<(string ServiceId, string Endpoint, EndpointStatus? Status)> changes,
        CancellationToken cancellationToken) => store.WriteAsync(
        async (connection, transaction) =>
        {
            var now = time.GetUtcNow().ToMicroseconds();
            foreach (var (serviceId, endpoint, status) in changes)
            {
                var row = new { replica, serviceId, endpoint, body = status is null ? "" : RecordJson.Write(status), now };
                await connection.ExecuteAsync(
                    status is null
                        ? "DELETE FROM endpoint_status WHERE replica = @replica AND service_id = @serviceId AND endpoint = @endpoint"
                        : """
                          INSERT INTO endpoint_status (replica, service_id, endpoint, body, updated_at)
                          VALUES (@replica, @serviceId, @endpoint, @body, @now)
                          ON CONFLICT (replica, service_id, endpoint) DO UPDATE SET body = excluded.body, updated_at = excluded.updated_at
                          """,
                    row, transaction).ConfigureAwait(false);
            }

            return changes.Count;
        },
        cancellationToken, notifies: false);

    /// <summary>Says that a replica is alive, and removes what those told that have been silent for longer.</summary>
    public Task RefreshAsync(string replica, TimeSpan silence, CancellationToken cancellationToken) => store.WriteAsync(
        async (connection, transaction) =>
        {
            var now = time.GetUtcNow();
            await connection.ExecuteAsync(
                "UPDATE endpoint_status SET updated_at = @now WHERE replica = @replica",
                new { replica, now = now.ToMicroseconds() }, transaction).ConfigureAwait(false);
            return await connection.ExecuteAsync(
                "DELETE FROM endpoint_status WHERE updated_at < @oldest",
                new { oldest = (now - silence).ToMicroseconds() }, transaction).ConfigureAwait(false);
        },
        cancellationToken, notifies: false);

    /// <summary>Removes all that a replica told.</summary>
    public Task ForgetAsync(string replica, CancellationToken cancellationToken) => store.WriteAsync(
        (connection, transaction) => connection.ExecuteAsync(
            "DELETE FROM endpoint_status WHERE replica = @replica", new { replica }, transaction),
        cancellationToken, notifies: false);

    /// <summary>Reads what all replicas tell about a service, by endpoint and replica.</summary>
    public Task<IReadOnlyList<EndpointStatus>> ReadAsync(string serviceId, CancellationToken cancellationToken) => store.ReadAsync(
        async connection =>
        {
            var bodies = await connection.QueryAsync<string>(
                "SELECT body FROM endpoint_status WHERE service_id = @serviceId ORDER BY endpoint, replica", new { serviceId })
                .ConfigureAwait(false);
            return (IReadOnlyList<EndpointStatus>)[.. bodies.Select(RecordJson.Read<EndpointStatus>)];
        },
        cancellationToken);
}
