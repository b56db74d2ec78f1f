namespace Sluice.Control.Store;

/// <summary>Finds the kind of database that an address means.</summary>
internal static class ControlDatabases
{
    private const string Sqlite = "sqlite://";

    /// <summary>Creates it; nothing is opened yet.</summary>
    /// <param name="address">A path, <c>sqlite://PATH</c>, or <c>postgres://…</c>.</param>
    /// <exception cref="FormatException">The address means none.</exception>
    public static ControlDatabase Create(string address)
    {
        if (IsPostgres(address))
            return new PostgresDatabase(address);
        if (address.StartsWith(Sqlite, StringComparison.OrdinalIgnoreCase))
            return OfFile(address[Sqlite.Length..]);
        return address.Contains("://", StringComparison.Ordinal)
            ? throw new FormatException($"'{address}' is no store: use a file, sqlite://FILE or postgres://USER@HOST/DATABASE")
            : OfFile(address);
    }

    /// <summary>Finds where another part's tables go: the same server, or a file of their own beside that of the address.</summary>
    /// <param name="address">As for <see cref="Create"/>.</param>
    /// <param name="name">Ends the file's name.</param>
    /// <param name="folder">Another folder for the file; empty = the same.</param>
    public static string Beside(string address, string name, string folder)
    {
        if (IsPostgres(address))
            return address;
        var path = address.StartsWith(Sqlite, StringComparison.OrdinalIgnoreCase) ? address[Sqlite.Length..] : address;
        var file = $"{Path.GetFileNameWithoutExtension(path)}-{name}{Path.GetExtension(path)}";
        return Path.Combine(folder.Length > 0 ? folder : Path.GetDirectoryName(Path.GetFullPath(path))!, file);
    }

    private static bool IsPostgres(string address) =>
        address.StartsWith("postgres://", StringComparison.OrdinalIgnoreCase) ||
        address.StartsWith("postgresql://", StringComparison.OrdinalIgnoreCase) ||
        address.Contains("Host=", StringComparison.OrdinalIgnoreCase);

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
