using System.Text.Json;
using Sluice.Control.Reconciler;
using Sluice.Inference;
using Sluice.Protocol.Inference;

namespace Sluice.Control.Tests.Reconciler;

public sealed class AuxiliaryConfigTests
{
    [Fact]
    public void NestedKeys_BecomeAConfiguration_WithQuotesAndSingleElements()
    {
        var config = AuxiliaryConfig.ToModelConfig(
            """
            {"platform": "\"onnxruntime_onnx\"", "max_batch_size": "64",
             "dynamic_batching": {"preferred_batch_size": [1, 2, 4], "max_queue_delay_microseconds": 5000000, "preserve_ordering": "true"},
             "instance_group": {"kind": "KIND_CPU", "count": 2},
             "input": {"0": {"format": "FORMAT_NCHW"}}, "parameters": {"a": 1, "b": {"string_value": "\"x\""}}}
            """, "e");
        Assert.Equal(("onnxruntime_onnx", 64), (config.Platform, config.MaxBatchSize));
        Assert.Equal([1, 2, 4], config.DynamicBatching.PreferredBatchSize);
        Assert.Equal((5000000UL, true), (config.DynamicBatching.MaxQueueDelayMicroseconds, config.DynamicBatching.PreserveOrdering));
        Assert.Equal(2, Assert.Single(config.InstanceGroup).Count);
        Assert.Equal(ModelInput.Types.Format.Nchw, Assert.Single(config.Input).Format);
        Assert.Equal(("1", "x"), (config.Parameters["a"].StringValue, config.Parameters["b"].StringValue));
    }

    [Fact]
    public void SettingsOfCode_AreNoneOfTheModel()
    {
        var config = AuxiliaryConfig.ToModelConfig("""{"python": {"workers": 2}, "python.nice": 5, "max_batch_size": 8}""", "e");
        Assert.Equal(8, config.MaxBatchSize);
        Assert.Empty(config.Parameters);
    }

    [Fact]
    public void Text_IsReadAsAConfigurationFile()
    {
        var text = JsonSerializer.Serialize("max_batch_size: 8\ndynamic_batching { }\ninput [{ name: \"x\" data_type: TYPE_FP32 dims: [4] }]");
        var config = AuxiliaryConfig.ToModelConfig(text, "e");
        Assert.Equal((8, "x"), (config.MaxBatchSize, config.Input[0].Name));
        Assert.NotNull(config.DynamicBatching);
    }

    [Theory]
    [InlineData("""{"max_batch": 1}""", "has no field 'max_batch'")]
    [InlineData("""{"max_batch_size": "many"}""", "aux-config of endpoint 'e'")]
    [InlineData("""{"dynamic_batching": {"preserve_ordering": "perhaps"}}""", "must be true or false")]
    [InlineData("\"max_batch_size: \"", "aux-config of endpoint 'e':1:")]
    public void Mistakes_AreSaidWhereTheyAre(string json, string message)
    {
        var error = Assert.Throws<InferenceException>(() => AuxiliaryConfig.ToModelConfig(json, "e"));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Flat_JoinsKeysByDots()
    {
        var flat = AuxiliaryConfig.Flatten("""{"a": {"b": "\"x\"", "c": [1, 2]}, "d": true}""");
        Assert.Equal("a.b=x a.c=[1, 2] d=true", string.Join(' ', flat.Select(pair => $"{pair.Key}={pair.Value}")));
    }
}
