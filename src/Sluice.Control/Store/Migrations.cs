namespace Sluice.Control.Store;

/// <summary>The schema, as steps that are never changed once released; only new ones are added.</summary>
/// <remarks>One text for all databases: times are microseconds since 1970, flags 0 or 1, lists and records JSON.
/// <c>{identity}</c> stands for the database's own way to number rows.</remarks>
internal static class Migrations
{
    /// <summary>Steps in order; the first makes version 1.</summary>
    public static IReadOnlyList<string> Steps { get; } =
    [
        """
        CREATE TABLE services (
            id TEXT PRIMARY KEY, name TEXT NOT NULL, project TEXT NOT NULL, tags TEXT NOT NULL, created_at BIGINT NOT NULL,
            version TEXT NOT NULL, is_started BIGINT NOT NULL, revision BIGINT NOT NULL);
        CREATE TABLE records (
            service_id TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
            PRIMARY KEY (service_id, kind, key));
        CREATE TABLE models (
            id TEXT PRIMARY KEY, created_order BIGINT NOT NULL UNIQUE, name TEXT NOT NULL, project TEXT NOT NULL,
            is_published BIGINT NOT NULL, is_archived BIGINT NOT NULL, body TEXT NOT NULL);
        CREATE INDEX models_by_name ON models (project, name);
        CREATE TABLE registry (id BIGINT PRIMARY KEY, revision BIGINT NOT NULL, last_order BIGINT NOT NULL);
        INSERT INTO registry (id, revision, last_order) VALUES (1, 0, 0);
        CREATE TABLE audit (
            id {identity}, at BIGINT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, service_id TEXT NOT NULL,
            target TEXT NOT NULL, revision BIGINT NOT NULL, before_json TEXT, after_json TEXT);
        CREATE INDEX audit_by_service ON audit (service_id, id);
        CREATE TABLE endpoint_status (
            replica TEXT NOT NULL, service_id TEXT NOT NULL, endpoint TEXT NOT NULL, body TEXT NOT NULL, updated_at BIGINT NOT NULL,
            PRIMARY KEY (replica, service_id, endpoint));
        """,
        """
        CREATE TABLE secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL);
        """,
    ];
}
