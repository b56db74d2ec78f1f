using System.Globalization;
using System.Runtime.InteropServices;
using Sluice.Testing;

namespace Sluice.Backends.Forest.Tests;

/// <summary>A folder of random models that a script makes, each in a folder of its own with rows and the library's results.</summary>
/// <param name="usualCount">How many, unless <c>SLUICE_FOREST_MODELS</c> says it.</param>
/// <remarks><c>SLUICE_FOREST_SEED</c> sets which, <c>SLUICE_FOREST_KEEP</c> leaves them there.</remarks>
internal sealed class RandomModels(int usualCount) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("sluice-forests-").FullName;

    public int Count { get; } =
        Environment.GetEnvironmentVariable("SLUICE_FOREST_MODELS") is { } count ? int.Parse(count, CultureInfo.InvariantCulture) : usualCount;

    public string Seed { get; } = Environment.GetEnvironmentVariable("SLUICE_FOREST_SEED") ?? "1";

    public string[] Folders => Directory.GetDirectories(_folder);

    /// <summary>Reads an array that the script wrote.</summary>
    public static T[] Read<T>(string folder, string name)
        where T : unmanaged =>
        MemoryMarshal.Cast<byte, T>(NpyFile.Read(Path.Combine(folder, name)).Data).ToArray();

    /// <returns>False when a library is not installed and the environment does not demand it.</returns>
    public Task<bool> TryMakeAsync(string script) =>
        DebianPython.TryRunAsync(script, _folder, Seed, Count.ToString(CultureInfo.InvariantCulture));

    public void Dispose()
    {
        if (Environment.GetEnvironmentVariable("SLUICE_FOREST_KEEP") is null)
            Directory.Delete(_folder, recursive: true);
    }
}
