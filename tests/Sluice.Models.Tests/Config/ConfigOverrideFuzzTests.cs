using System.Text;
using Sluice.Inference;
using Sluice.Testing;

namespace Sluice.Models.Tests;

/// <summary>Feeds damaged configurations and file names of load requests: they may be refused, in our own words only.</summary>
public sealed class ConfigOverrideFuzzTests
{
    private const int Rounds = 20_000;

    private static readonly string[] Seeds =
    [
        """{"name":"m","maxBatchSize":4,"input":[{"name":"x","data_type":"TYPE_FP32","dims":["4"]}],"parameters":{"k":{"string_value":"v"}}}""",
        """{"version_policy":{"specific":{"versions":["1",2]}},"instance_group":[{"count":2,"kind":"KIND_CPU"}],"backend":"b"}""",
        """{"dynamic_batching":{"preferred_batch_size":[4],"max_queue_delay_microseconds":"100"},"output":[{"label_filename":"../x"}]}""",
    ];

    private static readonly string[] Pieces =
    [
        "{", "}", "[", "]", ":", ",", "\"", "\\u0000", "\\", "null", "1e999", "-1", "99999999999999999999", "TYPE_", "ä", "\uFFFD", "NaN",
        "[[[[[[[[[[", "{\"a\":", "@type", " ",
    ];

    private static readonly string[] Segments = ["1", "2", "..", ".", "", "a b", "model.onnx", "\\", "\0", "config.pbtxt", new('x', 300), "ä"];

    [Fact]
    public void ReadJson_DamagedText_ThrowsNothingButItsOwnError()
    {
        var (accepted, total) = (0, 0);
        foreach (var seed in Fuzz.Seeds(20260803, Rounds))
        {
            total++;
            var random = new Random(seed);
            var text = Damage(random, Seeds[random.Next(Seeds.Length)]);
            try
            {
                ModelConfigFile.ReadJson("m", text);
                accepted++;
            }
            catch (InferenceException error)
            {
                Assert.Equal(InferenceCode.InvalidArgument, error.Code);
            }
            catch (Exception error)
            {
                Assert.Fail($"seed {seed}: {text}\n{error}");
            }
        }

        // Both outcomes must occur, or the damage is of the wrong size.
        Assert.InRange(accepted, total / 100, total * 99 / 100);
    }

    [Fact]
    public void Create_AnyFileName_StaysInsideItsFolderOrIsRefused()
    {
        var random = new Random(20260804);
        var written = 0;
        for (var round = 0; round < 2000; round++)
        {
            var path = string.Join('/', Enumerable.Range(0, random.Next(1, 5)).Select(_ => Segments[random.Next(Segments.Length)]));
            try
            {
                var folder = OverrideFolder.Create("m", new Dictionary<string, ReadOnlyMemory<byte>> { [path] = new byte[] { 1 } });
                var file = Assert.Single(Directory.GetFiles(folder.ModelPath, "*", SearchOption.AllDirectories));
                Assert.Equal($"{folder.ModelPath}/{(path.StartsWith('/') ? path[1..] : path)}", file);
                folder.Release();
                Assert.False(Directory.Exists(Path.GetDirectoryName(folder.ModelPath)));
                written++;
            }
            catch (InferenceException)
            {
            }
        }

        Assert.InRange(written, 20, 1980);
    }

    private static string Damage(Random random, string seed)
    {
        var text = new StringBuilder(seed);
        for (var count = random.Next(1, 4); count > 0 && text.Length > 0; count--)
        {
            var at = random.Next(text.Length);
            if (random.Next(3) == 0)
                text.Remove(at, Math.Min(random.Next(1, 5), text.Length - at));
            else
                text.Insert(at, Pieces[random.Next(Pieces.Length)]);
        }

        return text.ToString();
    }
}
