using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Sluice.Protocol.Inference;
using Sluice.Rest.Json;

namespace Sluice.Rest.Tests;

public sealed class MessageJsonTests
{
    [Fact]
    public void Write_ModelConfig_ListsDefaultsAndNamesEnums()
    {
        var config = new ModelConfig
        {
            Name = "m",
            MaxBatchSize = 4,
            Input = { new ModelInput { Name = "x", DataType = DataType.TypeFp32, Dims = { -1, 3 } } },
            VersionPolicy = new ModelVersionPolicy { Latest = new ModelVersionPolicy.Types.Latest { NumVersions = 2 } },
            Parameters = { ["k"] = new ModelParameter { StringValue = "v" } },
        };

        using var json = JsonDocument.Parse(Print(config));

        var root = json.RootElement;
        Assert.Equal("TYPE_FP32", root.GetProperty("input")[0].GetProperty("data_type").GetString());
        Assert.Equal("[-1,3]", root.GetProperty("input")[0].GetProperty("dims").GetRawText());
        Assert.Equal("{\"latest\":{\"num_versions\":2}}", root.GetProperty("version_policy").GetRawText());
        Assert.Equal("{\"k\":{\"string_value\":\"v\"}}", root.GetProperty("parameters").GetRawText());
        Assert.Equal("", root.GetProperty("platform").GetString());
        Assert.Equal("[]", root.GetProperty("output").GetRawText());
        Assert.False(root.TryGetProperty("dynamic_batching", out _));
    }

    [Fact]
    public void Write_Statistics_PrintsLongIntegersAsNumbers()
    {
        var statistics = new ModelStatistics { Name = "m", InferenceCount = ulong.MaxValue };

        Assert.Contains("\"inference_count\":18446744073709551615", Print(statistics));
    }

    [Fact]
    public void Write_MemberOfAOneof_StandsOnlyWhenSet()
    {
        Assert.Equal("{\"bool_param\":false}", Print(new ModelRepositoryParameter { BoolParam = false }));
        Assert.Equal("{}", Print(new ModelRepositoryParameter()));
        Assert.Equal(
            "{\"bytes_param\":\"AQI=\"}",
            Print(new ModelRepositoryParameter { BytesParam = ByteString.CopyFrom(1, 2) }));
    }

    private static string Print(IMessage message)
    {
        using var output = new MemoryStream();
        using (var writer = new Utf8JsonWriter(output))
            MessageJsonWriter.Write(writer, message);
        return Encoding.UTF8.GetString(output.ToArray());
    }
}
