using System.Text;
using Sluice.Protocol.Inference;

namespace Sluice.Models.Tests;

public sealed class TextFormatTests
{
    [Fact]
    public void Parse_StockConfiguration_FillsEveryField()
    {
        var config = Parse("""
            # a comment
            name: "digits"; backend: 'onnxruntime'
            max_batch_size: 0x10
            input [
              { name: "x" data_type: TYPE_FP32 dims: [ 1, -1, 8 ] reshape { shape: [] } },
              { name: "y", data_type: 13, dims: 2 dims: 010 }
            ]
            output < name: "z" data_type: TYPE_INT64 dims: [ 10 ] label_filename: "la" 'bels' ".txt" >
            dynamic_batching: { preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 18446744073709551615 }
            instance_group [ { kind: KIND_CPU count: 2 gpus: [ ] } ]
            parameters: { key: "a" value: { string_value: "1" } }
            parameters [ { key: "b" value { string_value: "2" } }, < value: < > key: "c" > ]
            metric_tags { key: "team" value: "vision" }
            version_policy: { specific: { versions: [ 1, 3 ] } }
            """);

        Assert.Equal("digits", config.Name);
        Assert.Equal("onnxruntime", config.Backend);
        Assert.Equal(16, config.MaxBatchSize);
        Assert.Equal([1, -1, 8], config.Input[0].Dims);
        Assert.Empty(config.Input[0].Reshape.Shape);
        Assert.Equal(DataType.TypeString, config.Input[1].DataType);
        Assert.Equal([2, 8], config.Input[1].Dims);
        Assert.Equal("labels.txt", config.Output[0].LabelFilename);
        Assert.Equal([4, 8], config.DynamicBatching.PreferredBatchSize);
        Assert.Equal(ulong.MaxValue, config.DynamicBatching.MaxQueueDelayMicroseconds);
        Assert.Equal(ModelInstanceGroup.Types.Kind.Cpu, config.InstanceGroup[0].Kind);
        Assert.Equal("1", config.Parameters["a"].StringValue);
        Assert.Equal("2", config.Parameters["b"].StringValue);
        Assert.Equal("", config.Parameters["c"].StringValue);
        Assert.Equal("vision", config.MetricTags["team"]);
        Assert.Equal([1, 3], config.VersionPolicy.Specific.Versions);
    }

    [Theory]
    [InlineData("")]
    [InlineData("# nothing but a comment")]
    [InlineData("\uFEFF \t\r\n\v\f")]
    public void Parse_TextWithoutFields_GivesDefaults(string text) => Assert.Equal(new ModelConfig(), Parse(text));

    [Theory]
    [InlineData(@"""\a\b\f\n\r\t\v\\\'\""\?""", "\a\b\f\n\r\t\v\\'\"?")]
    [InlineData(@"""\1\12\101z""", "\u0001\nAz")]
    [InlineData(@"""\x41\x4a!\xAg""", "AJ!\ng")]
    [InlineData(@"""\303\244\xc3\xa4""", "ää")]
    [InlineData(@"""\u00e4\U0001F600\ud83d\ude00""", "ä😀😀")]
    [InlineData(@"'it''s' "" \'", null)]
    [InlineData("'a\"b' \"c'd\" # note\n 'e'", "a\"bc'de")]
    [InlineData("'ä😀'", "ä😀")]
    [InlineData(@"""\0""", "\0")]
    public void String_WithEscapes_IsDecoded(string literal, string? expected)
    {
        if (expected is null)
            Fails($"name: {literal}");
        else
            Assert.Equal(expected, Parse($"name: {literal}").Name);
    }

    [Theory]
    [InlineData(@"""\400""", "octal")]
    [InlineData(@"""\xg""", "hexadecimal digit")]
    [InlineData(@"""\q""", "escape sequence is not known")]
    [InlineData(@"""\u12""", "needs 4")]
    [InlineData(@"""\U0011FFFF""", "no Unicode character")]
    [InlineData(@"""\ud83d""", "no Unicode character")]
    [InlineData(@"""\ud83dA""", "no Unicode character")]
    [InlineData(@"""\xff""", "not valid UTF-8")]
    [InlineData("\"open", "not closed")]
    [InlineData("\"line\nbreak\"", "not closed")]
    [InlineData("\"end\\", "not closed")]
    [InlineData("\"end\\\"", "not closed")]
    public void String_ThatIsWrong_IsRefused(string literal, string detail) =>
        Assert.Contains(detail, Fails($"name: {literal}").Detail, StringComparison.Ordinal);

    [Theory]
    [InlineData("0", 0)]
    [InlineData("-0", 0)]
    [InlineData("2147483647", int.MaxValue)]
    [InlineData("- # sign\n 2147483648", int.MinValue)]
    [InlineData("0xFf", 255)]
    [InlineData("-0X10", -16)]
    [InlineData("017", 15)]
    public void Integer_InAnyBase_IsRead(string text, int expected) =>
        Assert.Equal(expected, Parse($"max_batch_size: {text}").MaxBatchSize);

    [Theory]
    [InlineData("2147483648", "does not fit")]
    [InlineData("-2147483649", "does not fit")]
    [InlineData("99999999999999999999999", "does not fit")]
    [InlineData("0x1ffffffffffffffff", "does not fit")]
    [InlineData("08", "no integer")]
    [InlineData("0x", "no integer")]
    [InlineData("1.0", "takes an integer")]
    [InlineData("1e2", "takes an integer")]
    [InlineData("'1'", "takes an integer")]
    [InlineData("12ab", "number ends in 'a'")]
    [InlineData("--1", "takes an integer")]
    [InlineData("", "takes an integer")]
    public void Integer_ThatDoesNotFit_IsRefused(string text, string detail) =>
        Assert.Contains(detail, Fails($"max_batch_size: {text}").Detail, StringComparison.Ordinal);

    [Theory]
    [InlineData("max_queue_size: -1")]
    [InlineData("max_queue_size: 4294967296")]
    [InlineData("default_timeout_microseconds: -1")]
    [InlineData("default_timeout_microseconds: 18446744073709551616")]
    public void Unsigned_OutOfRange_IsRefused(string field) =>
        Fails($"dynamic_batching {{ default_queue_policy {{ {field} }} }}");

    [Theory]
    [InlineData("1.5f", 1.5)]
    [InlineData(".25", 0.25)]
    [InlineData("3.", 3)]
    [InlineData("-2e-3F", -0.002)]
    [InlineData("10", 10)]
    [InlineData("7f", 7)]
    [InlineData("inf", double.PositiveInfinity)]
    [InlineData("-Infinity", double.NegativeInfinity)]
    [InlineData("nan", double.NaN)]
    [InlineData("1e999", double.PositiveInfinity)]
    public void Float_InAnySpelling_IsRead(string text, double expected)
    {
        var config = Parse($"model_metrics {{ metric_control {{ histogram_options {{ buckets: {text} }} }} }}");

        Assert.Equal(expected, Assert.Single(config.ModelMetrics.MetricControl[0].HistogramOptions.Buckets));
        var single = Parse($"sequence_batching {{ direct {{ minimum_slot_utilization: {text} }} }}");
        Assert.Equal((float)expected, single.SequenceBatching.Direct.MinimumSlotUtilization);
    }

    [Theory]
    [InlineData("0x10")]
    [InlineData("010")]
    [InlineData("1e")]
    [InlineData("1.2.3")]
    [InlineData("fast")]
    [InlineData(".")]
    public void Float_ThatIsWrong_IsRefused(string text) =>
        Fails($"sequence_batching {{ direct {{ minimum_slot_utilization: {text} }} }}");

    [Theory]
    [InlineData("true", true)]
    [InlineData("True", true)]
    [InlineData("t", true)]
    [InlineData("1", true)]
    [InlineData("0x1", true)]
    [InlineData("false", false)]
    [InlineData("False", false)]
    [InlineData("f", false)]
    [InlineData("0", false)]
    public void Bool_InAnySpelling_IsRead(string text, bool expected) =>
        Assert.Equal(expected, Parse($"response_cache {{ enable: {text} }}").ResponseCache.Enable);

    [Theory]
    [InlineData("TRUE")]
    [InlineData("2")]
    [InlineData("'true'")]
    [InlineData("yes")]
    public void Bool_ThatIsWrong_IsRefused(string text) => Fails($"response_cache {{ enable: {text} }}");

    [Theory]
    [InlineData("name: 'a'\nmax_batchsize: 1", 2, 1, "ModelConfig has no field 'max_batchsize'; did you mean 'max_batch_size'?")]
    [InlineData("input {\n  dmis: 1 }", 2, 3, "ModelInput has no field 'dmis'; did you mean 'dims'?")]
    [InlineData("input { zzzzzz: 1 }", 1, 9, "ModelInput has no field 'zzzzzz'")]
    [InlineData("input { data_type: FP32 }", 1, 20, "DataType has no value 'FP32'")]
    [InlineData("input { data_type: TYPE_FP23 }", 1, 20, "DataType has no value 'TYPE_FP23'; did you mean 'TYPE_FP32'?")]
    [InlineData("input { data_type: 99 }", 1, 20, "DataType has no value 99")]
    [InlineData("name: 'äö' name: 'b'", 1, 12, "'name' is specified more than once")]
    [InlineData("response_cache { } response_cache { }", 1, 20, "'response_cache' is specified more than once")]
    [InlineData("version_policy { latest { } all { } }", 1, 29, "'all' and 'latest' exclude each other")]
    [InlineData("name 'a'", 1, 6, "expected ':' after 'name' but found ''a''")]
    [InlineData("name: ['a']", 1, 7, "'name' takes one value, not a list")]
    [InlineData("input { name: 'a' >", 1, 19, "expected a field name but found '>'")]
    [InlineData("input {\n", 2, 1, "expected '}' to close 'input' before the end of the text")]
    [InlineData("input [ { } { } ]", 1, 13, "expected ']' but found '{'")]
    [InlineData("input [ { }, ]", 1, 14, "expected '{' but found ']'")]
    [InlineData("input: 5", 1, 8, "expected '{' but found '5'")]
    [InlineData("[a.b.c]: 1", 1, 1, "extensions and Any expansions ('[name]') are not supported")]
    [InlineData("name: a", 1, 7, "expected a string but found 'a'")]
    [InlineData("ü: 1", 1, 1, "expected a field name but found 'ü'")]
    [InlineData("}", 1, 1, "expected a field name but found '}'")]
    [InlineData("name: 'a',, backend: 'b'", 1, 11, "expected a field name but found ','")]
    public void Parse_WrongText_NamesPlaceAndReason(string text, int line, int column, string detail)
    {
        var error = Fails(text);

        Assert.Equal((line, column, detail), (error.Line, error.Column, error.Detail));
        Assert.Equal($"config.pbtxt:{line}:{column}: {detail}", error.Message);
    }

    [Fact]
    public void Parse_InvalidUtf8_NamesPlace()
    {
        var error = Assert.Throws<TextFormatException>(
            () => TextFormat.Parse<ModelConfig>([.. "# ä\nab"u8, 0xFF], "c"));

        Assert.Equal((2, 3), (error.Line, error.Column));
    }

    [Fact]
    public void Parse_TooDeepOrTooLarge_IsRefused()
    {
        // No configuration nests this deep, so the recursion is shown on a type that contains itself.
        var deep = string.Concat(Enumerable.Repeat("struct_value { fields { key: 'a' value { ", 2000));

        Assert.Contains("deeper", Assert.Throws<TextFormatException>(
            () => TextFormat.Parse<Google.Protobuf.WellKnownTypes.Value>(Encoding.UTF8.GetBytes(deep), "c")).Detail);
        Assert.Contains("more than", Assert.Throws<TextFormatException>(
            () => TextFormat.Parse<ModelConfig>(new byte[TextFormat.MaxSizeBytes + 1], "c")).Detail);
    }

    [Fact]
    public void Map_WithRepeatedKey_KeepsTheLast() =>
        Assert.Equal("2", Parse("metric_tags { key: 'a' value: '1' } metric_tags { key: 'a' value: '2' }").MetricTags["a"]);

    [Fact]
    public void Map_EntryWithTwoKeys_IsRefused() =>
        Assert.Contains("more than once", Fails("metric_tags { key: 'a' key: 'b' }").Detail, StringComparison.Ordinal);

    [Fact]
    public void Map_WithNumberKeysAndMissingParts_TakesDefaults()
    {
        var config = Parse("dynamic_batching { priority_queue_policy { key: 2 value { max_queue_size: 3 } } "
            + "priority_queue_policy { } }");

        Assert.Equal(3u, config.DynamicBatching.PriorityQueuePolicy[2].MaxQueueSize);
        Assert.Equal(new ModelQueuePolicy(), config.DynamicBatching.PriorityQueuePolicy[0]);
    }

    private static ModelConfig Parse(string text) =>
        TextFormat.Parse<ModelConfig>(Encoding.UTF8.GetBytes(text), "config.pbtxt");

    private static TextFormatException Fails(string text) => Assert.Throws<TextFormatException>(() => Parse(text));
}
