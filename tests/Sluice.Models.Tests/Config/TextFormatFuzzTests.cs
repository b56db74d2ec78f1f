using System.Text;
using Sluice.Protocol.Inference;
using Sluice.Testing;

namespace Sluice.Models.Tests;

/// <summary>Feeds damaged texts to the parser: it may refuse them, in its own words only.</summary>
public sealed class TextFormatFuzzTests
{
    private const int Rounds = 60_000;

    private static readonly string[] Seeds =
    [
        "name: \"a\\x41\\u00e4\" 'b' max_batch_size: -0x7f input [ { name: 'x' data_type: TYPE_FP32 dims: [ 1, 2 ] } ]",
        "parameters: { key: 'k' value: { string_value: '1' } } metric_tags < key: 'a' value: 'b' >; # end",
        "sequence_batching { direct { minimum_slot_utilization: -1.5e-3f } max_sequence_idle_microseconds: 017 }",
        "version_policy { specific { versions: [ 1, 2 ] } } dynamic_batching { preferred_batch_size: [4, 8] }",
        "model_metrics { metric_control { histogram_options { buckets: [ .5, inf, -nan, 1f ] } } }",
    ];

    private static readonly string[] Pieces =
    [
        "{", "}", "<", ">", "[", "]", ":", ",", ";", "'", "\"", "\\", "\\x", "\\u12", "\\U0011", "\\777", "#", "\n", "-",
        "0x", "08", "1e", ".", "f", "inf", "nan", "99999999999999999999", "ä", "\uFFFD", "\0", "name", "input", "TYPE_",
        "true", "key", "value", " ",
    ];

    [Fact]
    public void Parse_DamagedText_ThrowsNothingButItsOwnError()
    {
        var (accepted, total) = (0, 0);
        foreach (var seed in Fuzz.Seeds(20260802, Rounds))
        {
            total++;
            var random = new Random(seed);
            var text = Damage(random, Encoding.UTF8.GetBytes(Seeds[random.Next(Seeds.Length)]));
            try
            {
                TextFormat.Parse<ModelConfig>(text, "fuzz");
                accepted++;
            }
            catch (TextFormatException error)
            {
                Assert.InRange(error.Line, 1, text.Length + 1);
                Assert.InRange(error.Column, 1, text.Length + 1);
            }
            catch (Exception error)
            {
                Assert.Fail($"seed {seed}: {Encoding.UTF8.GetString(text)}\n{error}");
            }
        }

        // Both outcomes must occur, or the damage is of the wrong size.
        Assert.InRange(accepted, total / 100, total * 99 / 100);
    }

    private static byte[] Damage(Random random, byte[] text)
    {
        var bytes = text.ToList();
        for (var count = random.Next(1, 4); count > 0 && bytes.Count > 0; count--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(5))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 8), bytes.Count - at));
                    break;
                case 2:
                    bytes.InsertRange(at, Encoding.UTF8.GetBytes(Pieces[random.Next(Pieces.Length)]));
                    break;
                case 3:
                    bytes.InsertRange(at, bytes.GetRange(at, Math.Min(random.Next(1, 20), bytes.Count - at)));
                    break;
                default:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
            }
        }

        return [.. bytes];
    }
}
