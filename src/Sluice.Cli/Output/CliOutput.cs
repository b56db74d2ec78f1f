using System.Text.Encodings.Web;
using System.Text.Json;

namespace Sluice.Cli.Output;

/// <summary>Writes what commands say: lines for people and scripts, or one JSON document.</summary>
/// <param name="output">Standard output.</param>
/// <param name="error">Standard error.</param>
/// <param name="isJson">Only JSON goes to standard output; notices go to standard error.</param>
/// <param name="isTerminal">Progress may overwrite its own line.</param>
internal sealed class CliOutput(TextWriter output, TextWriter error, bool isJson, bool isTerminal)
{
    private static readonly JsonWriterOptions Indented = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Only JSON is wanted.</summary>
    public bool IsJson => isJson;

    public TextWriter Out => output;

    public TextWriter Error => error;

    /// <summary>Writes a line for people and scripts.</summary>
    public void Line(string text)
    {
        if (!isJson)
            output.WriteLine(text);
    }

    /// <summary>Writes what the user should know beside the result.</summary>
    public void Notice(string text) => (isJson ? error : output).WriteLine(text);

    /// <summary>Writes a result where JSON is wanted.</summary>
    public void Json(Action<Utf8JsonWriter> write)
    {
        if (isJson)
            output.WriteLine(ToJson(write));
    }

    /// <summary>Writes a block of JSON under a label, as the original does.</summary>
    public void Block(string label, Action<Utf8JsonWriter> write) => Line($"{label}\n{ToJson(write)}");

    /// <summary>Tells how far something long is.</summary>
    /// <param name="what">What is done.</param>
    /// <param name="done">Bytes.</param>
    /// <param name="total">Bytes; 0 = not known.</param>
    /// <param name="last">Hundredths told last; kept by the caller.</param>
    public void Progress(string what, long done, long total, ref int last)
    {
        var percent = total <= 0 ? 100 : (int)(100 * done / total);
        if (percent / (isTerminal ? 1 : 25) == last / (isTerminal ? 1 : 25) && percent != 100)
            return;
        if (percent == last)
            return;
        last = percent;
        if (isTerminal)
            error.Write($"\r{what}: {percent} %{(percent == 100 ? "\n" : "")}");
        else
            error.WriteLine($"{what}: {percent} %");
    }

    private static string ToJson(Action<Utf8JsonWriter> write)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, Indented))
            write(writer);
        return System.Text.Encoding.UTF8.GetString(stream.ToArray());
    }
}
