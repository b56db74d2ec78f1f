namespace Sluice.Cli;

/// <summary>Looks into the model file of a tree ensemble, as the engine that would serve it does.</summary>
public interface IForestInspector
{
    /// <summary>Reads the file, lays the forest out for this machine and measures it.</summary>
    /// <param name="path">The file.</param>
    /// <returns>What there is to say, in the order in which it is shown.</returns>
    /// <exception cref="InvalidDataException">The file is broken; the message says what is wrong and where.</exception>
    /// <exception cref="IOException">It cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be opened.</exception>
    IReadOnlyList<ForestFact> Inspect(string path);
}

/// <summary>One line of what is found in a model file.</summary>
/// <param name="Name">For people.</param>
/// <param name="Key">For JSON, with the unit at its end.</param>
/// <param name="Text">The value for people, with its unit.</param>
/// <param name="Number">The value for JSON; null = <paramref name="Text"/> is.</param>
public sealed record ForestFact(string Name, string Key, string Text, double? Number = null);
