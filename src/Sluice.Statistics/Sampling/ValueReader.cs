using System.Buffers.Binary;
using System.Text.Json;
using Sluice.Tensors;

namespace Sluice.Statistics.Sampling;

/// <summary>Reads a captured value and gives it, element by element, to its series.</summary>
internal static class ValueReader
{
    /// <summary>Reads a value.</summary>
    /// <param name="series">Takes the elements.</param>
    /// <param name="type">The tensor's type; <see cref="DataType.Invalid"/> for JSON.</param>
    /// <param name="bytes">The value.</param>
    /// <param name="ignored">Is told how many elements meant nothing to the series.</param>
    public static void Read(VariableSeries series, DataType type, ReadOnlySpan<byte> bytes, IgnoredValues ignored)
    {
        if (type == DataType.Invalid)
            ReadJson(series, bytes, ignored);
        else if (type == DataType.Bytes)
            ReadTexts(series, bytes, ignored);
        else if (!NumberReader.Read(type, bytes, (series, ignored), static (to, value) => Count(to.series, to.series.Add(value), to.ignored)))
            ignored.TypeCount++;
    }

    private static void ReadTexts(VariableSeries series, ReadOnlySpan<byte> bytes, IgnoredValues ignored)
    {
        while (bytes.Length >= sizeof(uint))
        {
            var length = (int)Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(bytes), (uint)(bytes.Length - sizeof(uint)));
            Count(series, series.Add(bytes.Slice(sizeof(uint), length)), ignored);
            bytes = bytes[(sizeof(uint) + length)..];
        }
    }

    /// <summary>Arrays give each of their elements, however they are nested.</summary>
    private static void ReadJson(VariableSeries series, ReadOnlySpan<byte> json, IgnoredValues ignored)
    {
        var reader = new Utf8JsonReader(json);
        while (reader.Read())
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.StartArray or JsonTokenType.EndArray:
                    break;
                case JsonTokenType.Number when series is EnumSeries:
                    Count(series, series.Add(reader.ValueSpan), ignored);
                    break;
                case JsonTokenType.Number:
                    Count(series, series.Add(reader.GetDouble()), ignored);
                    break;
                case JsonTokenType.String when series is not EnumSeries:
                    ignored.TypeCount++;
                    break;
                case JsonTokenType.String:
                    Count(series, AddText(series, ref reader), ignored);
                    break;
                case JsonTokenType.True or JsonTokenType.False when series is EnumSeries:
                    Count(series, series.Add(reader.TokenType == JsonTokenType.True ? "True"u8 : "False"u8), ignored);
                    break;
                case JsonTokenType.True or JsonTokenType.False:
                    Count(series, series.Add(reader.TokenType == JsonTokenType.True ? 1 : 0), ignored);
                    break;
                default:
                    ignored.TypeCount++;
                    reader.Skip();
                    break;
            }
        }
    }

    private static bool AddText(VariableSeries series, ref Utf8JsonReader reader)
    {
        if (!reader.ValueIsEscaped)
            return series.Add(reader.ValueSpan);
        Span<byte> text = stackalloc byte[SampleRecord.MostBytes];
        return series.Add(text[..reader.CopyString(text)]);
    }

    private static void Count(VariableSeries series, bool isTaken, IgnoredValues ignored)
    {
        if (isTaken)
            return;
        if (series is EnumSeries)
            ignored.UnlistedCount++;
        else
            ignored.TypeCount++;
    }
}

/// <summary>Values that were sampled and meant nothing, by why.</summary>
internal sealed class IgnoredValues
{
    /// <summary>Not among an enum's values.</summary>
    public long UnlistedCount;

    /// <summary>Of a type, or in a range, that the variable cannot take.</summary>
    public long TypeCount;

    /// <summary>More bytes than a sample keeps.</summary>
    public long TooLargeCount;

    /// <summary>In a body or a region that could not be read.</summary>
    public long UnreadableCount;
}
