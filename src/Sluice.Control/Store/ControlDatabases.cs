namespace Sluice.Control.Store;

/// <summary>Finds the kind of database that an address means.</summary>
internal static class ControlDatabases
{
    /// <summary>Creates it; nothing is opened yet.</summary>
    /// <param name="address">A path, <c>sqlite://PATH</c>, or <c>postgres://…</c>.</param>
    /// <exception cref="FormatException">The address means none.</exception>
    public static ControlDatabase Create(string address)
    {
        if (address.StartsWith("postgres://", StringComparison.OrdinalIgnoreCase) ||
            address.StartsWith("postgresql://", StringComparison.OrdinalIgnoreCase) ||
            address.Contains("Host=", StringComparison.OrdinalIgnoreCase))
            return new PostgresDatabase(address);
        const string Sqlite = "sqlite://";
        if (address.StartsWith(Sqlite, StringComparison.OrdinalIgnoreCase))
            return OfFile(address[Sqlite.Length..]);
        return address.Contains("://", StringComparison.Ordinal)
            ? throw new FormatException($"'{address}' is no store: use a file, sqlite://FILE or postgres://USER@HOST/DATABASE")
            : OfFile(address);
    }

    private static SqliteDatabase OfFile(string path)
    {
        try
        {
            return new SqliteDatabase(path);
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException or PathTooLongException)
        {
            throw new FormatException($"'{path}' is no name of a file: {error.Message}", error);
        }
    }
}
