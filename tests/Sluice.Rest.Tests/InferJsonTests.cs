using System.Buffers;
using System.Text;
using System.Text.Json;
using Sluice.Inference;
using Sluice.Rest.Infer;
using Sluice.Rest.Tests.Fakes;
using Sluice.Tensors;

namespace Sluice.Rest.Tests;

public sealed class InferJsonTests(RestFixture server) : IClassFixture<RestFixture>
{
    [Theory]
    [InlineData("BOOL", "[true,false,1,0]", "[true,false,true,false]")]
    [InlineData("INT8", "[-128,127]", "[-128,127]")]
    [InlineData("INT16", "[-32768,32767]", "[-32768,32767]")]
    [InlineData("INT32", "[-2147483648,2147483647]", "[-2147483648,2147483647]")]
    [InlineData("INT64", "[-9223372036854775808,9223372036854775807,9007199254740993]", "[-9223372036854775808,9223372036854775807,9007199254740993]")]
    [InlineData("UINT8", "[0,255]", "[0,255]")]
    [InlineData("UINT16", "[65535]", "[65535]")]
    [InlineData("UINT32", "[4294967295]", "[4294967295]")]
    [InlineData("UINT64", "[18446744073709551615]", "[18446744073709551615]")]
    [InlineData("FP32", "[0.1,-0.0,1e20,16777216,0.10000000149011612]", "[0.1,-0.0,1E+20,16777216.0,0.1]")]
    [InlineData("FP64", "[0,-0.0,3,1e20,-7]", "[0.0,-0.0,3.0,1E+20,-7.0]")]
    [InlineData("FP32", "[\"NaN\",\"Infinity\",\"-Infinity\"]", "[\"NaN\",\"Infinity\",\"-Infinity\"]")]
    [InlineData("FP64", "[0.1,5e-324,1.7976931348623157e308]", "[0.1,5E-324,1.7976931348623157E+308]")]
    [InlineData("BYTES", "[\"\",\"a\\\"\\\\\\n\\u0001\",\"\\u00e9\\ud83d\\ude00\"]", "[\"\",\"a\\\"\\\\\\n\\u0001\",\"é😀\"]")]
    [InlineData("INT32", "[]", "[]")]
    public async Task Infer_Values_ComeBackExactly(string type, string sent, string expected)
    {
        using var values = JsonDocument.Parse(sent);
        var count = values.RootElement.GetArrayLength();

        var (status, text) = await server.InferAsync(Body(type, $"[{count}]", sent));

        Assert.Equal(
            (200, $"{{\"model_name\":\"echo\",\"model_version\":\"3\",\"outputs\":[{{\"name\":\"OUT_{type}\"," +
                $"\"datatype\":\"{type}\",\"shape\":[{count}],\"data\":{expected}}}]}}"),
            (status, text));
    }

    /// <summary>What Python's <c>json.dumps</c> makes of such values, and so the ecosystem's client of tensors that go as JSON.</summary>
    [Theory]
    [InlineData("FP32")]
    [InlineData("FP64")]
    public async Task Infer_BareWords_AreFloatingPoint(string type)
    {
        var seen = double.NaN;
        server.Engine.OnInfer = request =>
        {
            seen = BitConverter.Int64BitsToDouble(request.Parameters[0].Bits);
            return ValueTask.CompletedTask;
        };

        var (status, text) = await server.InferAsync(
            $$"""{"id":"NaN \" -Infinity","parameters":{"p":-Infinity},"inputs":[{"name":"IN_{{type}}","shape":[4],"datatype":"{{type}}","data":[NaN,[Infinity,-Infinity],-1.5]}]}""");
        server.Engine.OnInfer = _ => ValueTask.CompletedTask;

        Assert.True(status == 200, text);
        Assert.Equal(double.NegativeInfinity, seen);
        Assert.StartsWith("{\"id\":\"NaN \\\" -Infinity\",\"model_name\":\"echo\"", text);
        Assert.EndsWith("\"data\":[\"NaN\",\"Infinity\",\"-Infinity\",-1.5]}]}", text);
    }

    [Theory]
    [InlineData("""{"parameters":{"p":1NaN},"inputs":[]}""")]
    [InlineData("""{"parameters":{"p":-NaN},"inputs":[]}""")]
    [InlineData("""{"unknown":0.Infinity,"inputs":[]}""")]
    [InlineData("""{"id":NaN,"inputs":[]}""")]
    public async Task Infer_BareWordsWhereNoneCanBe_AreRefused(string body) => Assert.Equal(400, (await server.InferAsync(body)).Status);

    [Theory]
    [InlineData("INT32", "NaN")]
    [InlineData("BYTES", "NaN")]
    [InlineData("BOOL", "Infinity")]
    [InlineData("INT8", "128")]
    [InlineData("UINT8", "-1")]
    [InlineData("UINT8", "256")]
    [InlineData("INT32", "2147483648")]
    [InlineData("INT32", "1.5")]
    [InlineData("INT64", "9223372036854775808")]
    [InlineData("UINT64", "18446744073709551616")]
    [InlineData("FP32", "1e39")]
    [InlineData("FP64", "1e999")]
    [InlineData("FP32", "7e99999")]
    [InlineData("FP64", "-1e9999")]
    [InlineData("FP32", "\"nan\"")]
    [InlineData("BOOL", "2")]
    [InlineData("BYTES", "5")]
    [InlineData("INT32", "null")]
    [InlineData("INT32", "{}")]
    public async Task Infer_ValueOutsideItsType_NamesInputValueAndType(string type, string value)
    {
        var (status, text) = await server.InferAsync(Body(type, "[1]", $"[{value}]"));

        Assert.Equal(400, status);
        var error = JsonDocument.Parse(text).RootElement.GetProperty("error").GetString();
        Assert.Contains($"input 'IN_{type}'", error);
        Assert.Contains(value == "{}" ? "an object" : value, error);
        Assert.Contains($"of type {type}", error);
    }

    public static TheoryData<string, int, string> Refused => new()
    {
        { "", 400, "failed to parse the request JSON buffer" },
        { "[1]", 400, "non-object" },
        { "{", 400, "failed to parse" },
        { "{\"inputs\":[]} x", 400, "failed to parse" },
        { "{}", 400, "non-existing object member 'inputs'" },
        { """{"inputs":[{"name":"IN_INT32","datatype":"INT32","data":[1]}]}""", 400, "object member 'shape'" },
        { """{"inputs":[{"name":"IN_INT32","shape":[1],"data":[1]}]}""", 400, "object member 'datatype'" },
        { """{"inputs":[{"shape":[1],"datatype":"INT32","data":[1]}]}""", 400, "object member 'name'" },
        { Body("INT33", "[1]", "[1]"), 400, "\"INT33\" is no data type" },
        { Body("INT32", "[-1]", "[1]"), 500, "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer" },
        { Body("INT32", "[1.5]", "[1]"), 500, "non-unsigned-integer" },
        { Body("INT32", "[4294967296,4294967296]", "[1]"), 400, "causes total element count to exceed maximum size of" },
        { Body("INT32", "[9223372036854775807]", "[1]"), 400, "shape does not match true shape of 'data' field" },
        { Body("INT32", "[2]", "[1]"), 400, "shape does not match true shape of 'data' field" },
        { Body("INT32", "[1]", "[1,2]"), 400, "shape does not match true shape of 'data' field" },
        { Body("BYTES", "[2]", "[\"a\"]"), 400, "shape does not match true shape of 'data' field" },
        { Body("BYTES", "[0]", "[\"a\"]"), 400, "shape does not match true shape of 'data' field" },
        { Body("INT32", "[1]", "5"), 400, "Unable to parse 'data'" },
        { Body("FP16", "[1]", "[1]"), 400, "receiving FP16 data via JSON is not supported. Please use the binary data format for input 'IN_FP16'" },
        { Body("BF16", "[1]", "[1]"), 400, "receiving BF16 data via JSON is not supported" },
        { """{"inputs":[{"name":"IN_INT32","shape":[1],"datatype":"INT32"}]}""", 400, "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', 'shared_memory_region' in 'parameters'. But no field is set" },
        { """{"inputs":[{"name":"IN_INT32","shape":[1],"datatype":"INT32","data":[1],"parameters":{"binary_data_size":4}}]}""", 400, "But set 'data' 'binary_data_size'" },
        { """{"inputs":[{"name":"IN_INT32","shape":[1],"datatype":"INT32","data":[1],"parameters":{"shared_memory_region":"x","shared_memory_byte_size":4}}]}""", 400, "But set 'data' 'shared_memory_region'" },
        { """{"inputs":[{"name":"IN_INT32","shape":[1],"datatype":"INT32","parameters":{"shared_memory_region":"x"}}]}""", 400, "'shared_memory_byte_size' must be specified along with 'shared_memory_region' parameter for tensor 'IN_INT32'" },
        { """{"inputs":[{"name":"IN_INT32","shape":[1],"datatype":"INT32","parameters":{"shared_memory_offset":1}}]}""", 400, "'shared_memory_offset' can not be specified without 'shared_memory_region' parameter for tensor 'IN_INT32'" },
        { """{"inputs":[{"name":"IN_INT32","shape":[1],"datatype":"INT32","parameters":{"shared_memory_region":1}}]}""", 400, "invalid value type for 'shared_memory_region' parameter for tensor 'IN_INT32'" },
        { """{"inputs":[],"outputs":[{"name":"OUT_INT32","parameters":{"classification":0}}]}""", 400, "invalid value for 'classification' parameter" },
        { """{"inputs":[],"outputs":[{"name":"OUT_INT32","parameters":{"classification":"1"}}]}""", 400, "invalid value type for 'classification' parameter" },
        { """{"inputs":[],"outputs":[{"name":"a"},{"name":"a"}]}""", 400, "output 'a' already exists in request" },
        { """{"parameters":{"triton_x":1},"inputs":[]}""", 400, "reserved for Triton usage and should not be specified" },
        { """{"parameters":{"x":[1]},"inputs":[]}""", 400, "parameter 'x' has invalid type" },
        { """{"id":5,"inputs":[]}""", 400, "Unable to parse 'id'" },
        { """{"inputs":[{"name":"NOPE","shape":[1],"datatype":"INT32","data":[1]}]}""", 400, "unexpected inference input 'NOPE' for model 'echo'" },
        { $"{{\"x\":{new string('[', 101)}{new string(']', 101)},\"inputs\":[]}}", 400, "JSON nesting depth exceeds maximum allowed limit (100)" },
        { $"{{\"x\":{new string('[', 100_000)}", 400, "JSON nesting depth exceeds maximum allowed limit (100)" },
        { Body("BYTES", "[1]", "[\"\\ud800\"]"), 400, "failed to parse" },
        { Body("FP32", "[1]", "[nan]"), 400, "failed to parse" },
        { Body("FP32", "[1]", "[NaN1]"), 400, "failed to parse" },
        { """{"id":NaN,"inputs":[]}""", 400, "Unable to parse 'id': attempt to access JSON non-string as string" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task Infer_BadBody_IsRefusedWithItsText(string body, int status, string text)
    {
        var answer = await server.InferAsync(body);

        Assert.Equal(status, answer.Status);
        using var json = JsonDocument.Parse(answer.Text);
        Assert.Contains(text, json.RootElement.GetProperty("error").GetString());
        Assert.Equal(0, server.RentedBytes);
    }

    [Fact]
    public async Task Infer_NestedDataAndAnyOrderOfKeys_IsReadRowByRow()
    {
        var (status, text) = await server.InferAsync(
            """{"zz":{"a":[1,{"b":2}]},"inputs":[{"data":[[[1],[2]],[[3],[4]]],"extra":[[]],"datatype":"INT16","shape":[4],"name":"IN_INT16"}],"id":"a/\u00fc"}""");

        Assert.Equal(200, status);
        Assert.StartsWith("{\"id\":\"a/ü\",", text);
        Assert.Contains("\"data\":[1,2,3,4]", text);
    }

    [Fact]
    public async Task Infer_Parameters_ReachTheRequest()
    {
        (ulong Priority, long Timeout, ulong Sequence, bool Start, string Key, ParameterKind Kind) seen = default;
        server.Engine.OnInfer = request =>
        {
            ref var own = ref request.Parameters[0];
            seen = (request.Priority, request.TimeoutMicroseconds, request.SequenceId, request.IsSequenceStart,
                request.TextString(own.Key), own.Kind);
            return ValueTask.CompletedTask;
        };

        var (status, _) = await server.InferAsync(
            """{"parameters":{"priority":2,"timeout":7,"sequence_id":18446744073709551615,"sequence_start":true,"mine":0.5},"inputs":[]}""");
        server.Engine.OnInfer = _ => ValueTask.CompletedTask;

        Assert.Equal(200, status);
        Assert.Equal((2ul, 7L, ulong.MaxValue, true, "mine", ParameterKind.Double), seen);
    }

    [Theory]
    [InlineData(InferenceCode.Unavailable, 503)]
    [InlineData(InferenceCode.Internal, 500)]
    [InlineData(InferenceCode.NotFound, 404)]
    public async Task Infer_EngineFails_AnswersByTheTable(InferenceCode code, int status)
    {
        server.Engine.OnInfer = request =>
        {
            request.Fail(code, "because \"ü\"");
            return ValueTask.CompletedTask;
        };

        var answer = await server.InferAsync("""{"inputs":[]}""");
        server.Engine.OnInfer = _ => ValueTask.CompletedTask;

        Assert.Equal((status, "{\"error\":\"because \\\"ü\\\"\"}"), answer);
    }

    [Fact]
    public void Read_TextSplitAnywhere_GivesTheSameTensors()
    {
        var text = Encoding.UTF8.GetBytes(
            """{"id":"x\u0041y","inputs":[{"name":"A","shape":[2,2],"datatype":"FP32","data":[[1.25,-2e3],["NaN",4]]},{"name":"B","shape":[2],"datatype":"BYTES","data":["q\n","é"]}],"outputs":[{"name":"O","parameters":{"binary_data":true}}]}""");
        using var pool = new TensorBufferPool(new TensorBufferPoolOptions { Debug = true });
        var expected = Describe(new ReadOnlySequence<byte>(text), pool);

        for (var cut = 1; cut < text.Length; cut++)
            Assert.Equal(expected, Describe(Split(text, cut), pool));
        Assert.Contains("xAy", expected);
        Assert.Equal(0, pool.RentedBytes);
    }

    [Fact]
    public void Read_TextDamagedAnywhere_IsReadOrRefused()
    {
        var text = Encoding.UTF8.GetBytes(
            """{"id":"a","parameters":{"priority":1,"x":"y"},"inputs":[{"name":"A","shape":[3],"datatype":"INT16","data":[1,[2],3]},{"name":"B","shape":[1],"datatype":"BYTES","data":["q\u00e9"]},{"name":"C","shape":[2],"datatype":"FP64","parameters":{"binary_data_size":16}}],"outputs":[{"name":"O","parameters":{"binary_data":false}}]}""");
        using var pool = new TensorBufferPool(new TensorBufferPoolOptions { Debug = true, MaxBytes = 1 << 20 });
        var random = new Random(7);
        var request = new InferRequest();
        var readCount = 0;
        for (var round = 0; round < 3_000; round++)
        {
            var damaged = (byte[])text.Clone();
            for (var i = random.Next(1, 4); i > 0; i--)
                damaged[random.Next(damaged.Length)] = (byte)(random.Next(2) == 0 ? "0123456789[]{}\",:-.e\\"[random.Next(21)] : random.Next(256));
            if (random.Next(4) == 0)
                damaged = damaged[..random.Next(damaged.Length)];
            try
            {
                InferJsonReader.Read(Split([.. damaged, (byte)' '], random.Next(1, damaged.Length + 1)), request, pool);
                readCount++;
            }
            catch (InferenceException)
            {
                // Refused, which is as good; anything else fails the test.
            }

            request.Reset();
        }

        Assert.NotEqual(0, readCount);
        Assert.Equal(0, pool.RentedBytes);
    }

    private static string Describe(ReadOnlySequence<byte> json, TensorBufferPool pool)
    {
        var request = new InferRequest();
        InferJsonReader.Read(in json, request, pool);
        var text = new StringBuilder(request.TextString(request.Id));
        foreach (ref var input in request.Inputs)
            text.Append(request.TextString(input.Name)).Append(input.Shape).Append(Convert.ToHexString(input.Data.ToArray()));
        text.Append(request.TextString(request.RequestedOutputs[0].Name)).Append(request.RequestedOutputs[0].IsBinary);
        request.Reset();
        return text.ToString();
    }

    private static ReadOnlySequence<byte> Split(byte[] bytes, int cut)
    {
        var last = new Segment(bytes.AsMemory(cut), cut, null);
        var first = new Segment(bytes.AsMemory(0, cut), 0, last);
        return new ReadOnlySequence<byte>(first, 0, last, bytes.Length - cut);
    }

    private static string Body(string type, string shape, string data) =>
        $"{{\"inputs\":[{{\"name\":\"IN_{type}\",\"shape\":{shape},\"datatype\":\"{type}\",\"data\":{data}}}]}}";

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, long index, Segment? next)
        {
            Memory = memory;
            RunningIndex = index;
            Next = next;
        }
    }
}
