using System.Buffers;
using System.Text;
using System.Text.Unicode;
using Google.Protobuf;

namespace Sluice.Models;

/// <summary>Reads protobuf text format, the language of <c>config.pbtxt</c>, into generated messages.</summary>
/// <remarks>
/// <para>Knows no message by name: fields, enums and maps come from the descriptors.</para>
/// <para><b>Threads.</b> Any number of callers.</para>
/// </remarks>
public static class TextFormat
{
    /// <summary>Longest text accepted, in bytes.</summary>
    public const int MaxSizeBytes = 16 * 1024 * 1024;

    /// <summary>Deepest nesting of messages accepted.</summary>
    public const int MaxDepth = 64;

    /// <summary>Parses a whole text into a new message.</summary>
    /// <param name="utf8">The text; a byte order mark is skipped.</param>
    /// <param name="source">What to call the text in errors, usually a file name.</param>
    /// <exception cref="TextFormatException">The text breaks the grammar or does not fit the message.</exception>
    public static T Parse<T>(ReadOnlySpan<byte> utf8, string source)
        where T : IMessage<T>, new()
    {
        var message = new T();
        Merge(utf8, source, message);
        return message;
    }

    /// <summary>Parses a whole text into a message that is already there.</summary>
    /// <param name="utf8">The text; a byte order mark is skipped.</param>
    /// <param name="source">What to call the text in errors, usually a file name.</param>
    /// <param name="message">Receives the fields; half filled after an error.</param>
    /// <exception cref="TextFormatException">The text breaks the grammar or does not fit the message.</exception>
    public static void Merge(ReadOnlySpan<byte> utf8, string source, IMessage message)
    {
        if (utf8.Length > MaxSizeBytes)
            throw new TextFormatException(source, 1, 1, $"the text has {utf8.Length} bytes, more than {MaxSizeBytes}");

        if (utf8.StartsWith("\uFEFF"u8))
            utf8 = utf8[3..];

        var tokens = new TextTokenizer(utf8, source);
        if (!Utf8.IsValid(utf8))
            throw tokens.Error(FirstInvalid(utf8), "the text is not valid UTF-8");

        tokens.Next();
        new TextMessageParser(tokens).ParseRoot(message);
    }

    private static int FirstInvalid(ReadOnlySpan<byte> utf8)
    {
        var offset = 0;
        while (Rune.DecodeFromUtf8(utf8[offset..], out _, out var length) == OperationStatus.Done)
            offset += length;

        return offset;
    }
}
