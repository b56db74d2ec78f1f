using Npgsql;
using Sluice.Testing;

namespace Sluice.Control.Tests.Store;

/// <summary>One PostgreSQL server for the tests that need one.</summary>
[CollectionDefinition(Name)]
public sealed class PostgresGroup : ICollectionFixture<PostgresGroup.Fixture>
{
    public const string Name = "postgres";

    public sealed class Fixture : IDisposable
    {
        private int _count;

        public PostgresServer? Server { get; } = PostgresServer.TryStart();

        /// <summary>Address of a new database; null where there is no server.</summary>
        public string? CreateDatabase()
        {
            if (Server is null)
                return null;
            var name = $"test{Interlocked.Increment(ref _count)}";
            using var source = NpgsqlDataSource.Create(Server.Address + ";Database=postgres");
            using var command = source.CreateCommand($"CREATE DATABASE {name}");
            command.ExecuteNonQuery();
            return $"{Server.Address};Database={name}";
        }

        public void Dispose() => Server?.Dispose();
    }
}
