namespace Sluice.Backends.Forest.Formats;

/// <summary>A model file that cannot be read; the message says what is wrong and where.</summary>
internal sealed class ForestFormatException(string message) : Exception(message)
{
    /// <summary>Creates a failure at a byte of the file.</summary>
    public static ForestFormatException At(long position, string reason) => new($"{reason} at byte {position}");
}
