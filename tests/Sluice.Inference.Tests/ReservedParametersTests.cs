using System.Text;

namespace Sluice.Inference.Tests;

public sealed class ReservedParametersTests
{
    [Fact]
    public void Apply_KeysOfTheServer_SetTheRequest()
    {
        foreach (var isHttp in new[] { false, true })
        {
            var request = new InferRequest();
            Apply(request, "sequence_id", ParameterKind.Int64, 42, isHttp);
            Apply(request, "sequence_start", ParameterKind.Bool, 1, isHttp);
            Apply(request, "sequence_end", ParameterKind.Bool, 1, isHttp);
            Apply(request, "priority", ParameterKind.UInt64, 3, isHttp);
            Apply(request, "timeout", ParameterKind.Int64, 1000, isHttp);
            Assert.Equal(42UL, request.SequenceId);
            Assert.True(request.IsSequenceStart && request.IsSequenceEnd);
            Assert.Equal(3UL, request.Priority);
            Assert.Equal(1000, request.TimeoutMicroseconds);
            Assert.Equal(0, request.ParameterCount);
        }
    }

    [Fact]
    public void Apply_SequenceName_IsKeptAsText()
    {
        var request = new InferRequest();
        Apply(request, "sequence_id", ParameterKind.String, 0, isHttp: false, text: "größe");
        Assert.Equal("größe", request.TextString(request.SequenceName));
        Assert.Equal(0UL, request.SequenceId);
    }

    [Theory]
    [InlineData(ParameterKind.Bool)]
    [InlineData(ParameterKind.Int64)]
    [InlineData(ParameterKind.Double)]
    [InlineData(ParameterKind.String)]
    public void Apply_AnyOtherKey_IsForTheModel(ParameterKind kind)
    {
        var request = new InferRequest();
        Apply(request, "custom", kind, 1, isHttp: false, text: "v");
        var parameter = Assert.Single(request.Parameters.ToArray());
        Assert.Equal(("custom", kind), (request.TextString(parameter.Key), parameter.Kind));
    }

    [Theory]
    [InlineData("sequence_id", ParameterKind.Bool, "expected int64_param or string_param.")]
    [InlineData("sequence_id", ParameterKind.UInt64, "expected int64_param or string_param.")]
    [InlineData("sequence_start", ParameterKind.Int64, "expected bool_param.")]
    [InlineData("sequence_end", ParameterKind.String, "expected bool_param.")]
    [InlineData("priority", ParameterKind.String, "expected int64_param or uint64_param.")]
    [InlineData("timeout", ParameterKind.UInt64, "expected int64_param.")]
    [InlineData("triton_enable_empty_final_response", ParameterKind.Int64, "expected bool_param.")]
    [InlineData("custom", ParameterKind.UInt64, "expected int64_param, bool_param, or string_param.")]
    [InlineData("custom", ParameterKind.Missing, "expected int64_param, bool_param, or string_param.")]
    [InlineData("priority", ParameterKind.Missing, "expected int64_param or uint64_param.")]
    [InlineData("sequence_start", ParameterKind.Missing, "expected bool_param.")]
    public void Apply_WrongType_IsRefused(string key, ParameterKind kind, string expected)
    {
        var error = Assert.Throws<InferenceException>(() => Apply(new InferRequest(), key, kind, 1, isHttp: false));
        Assert.Equal($"invalid value type for '{key}' parameter, {expected}", error.Message);
    }

    [Theory]
    [InlineData("priority")]
    [InlineData("timeout")]
    public void Apply_NegativeNumber_IsRefused(string key)
    {
        var error = Assert.Throws<InferenceException>(
            () => Apply(new InferRequest(), key, ParameterKind.Int64, -1, isHttp: false));
        Assert.Equal($"invalid value for '{key}', expected value >= 0.", error.Message);
    }

    [Fact]
    public void Apply_ReservedPrefix_IsRefusedInTheWordsOfEachProtocol()
    {
        var grpc = Assert.Throws<InferenceException>(
            () => Apply(new InferRequest(), "triton_x", ParameterKind.Bool, 1, isHttp: false));
        Assert.Equal(
            "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following keys starting with " +
            "'triton_' are allowed: triton_enable_empty_final_response",
            grpc.Message);
        var http = Assert.Throws<InferenceException>(
            () => Apply(new InferRequest(), "triton_enable_empty_final_response", ParameterKind.Bool, 1, isHttp: true));
        Assert.Equal(
            "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified.", http.Message);
    }

    [Fact]
    public void Apply_KeysOfOneProtocol_AreOrdinaryInTheOther()
    {
        var grpc = new InferRequest();
        Apply(grpc, "binary_data_output", ParameterKind.Bool, 1, isHttp: false);
        Assert.False(grpc.PrefersBinaryOutput);
        Assert.Equal(1, grpc.ParameterCount);
        var http = new InferRequest();
        Apply(http, "binary_data_output", ParameterKind.Bool, 1, isHttp: true);
        Assert.True(http.PrefersBinaryOutput);
        Assert.Equal(0, http.ParameterCount);
        Apply(grpc, "triton_enable_empty_final_response", ParameterKind.Bool, 1, isHttp: false);
        Assert.True(grpc.WantsEmptyFinal);
    }

    private static void Apply(
        InferRequest request, string key, ParameterKind kind, long bits, bool isHttp, string text = "") =>
        ReservedParameters.Apply(
            request,
            new RequestParameter
            {
                Key = request.AddText(Encoding.UTF8.GetBytes(key)),
                Kind = kind,
                Bits = bits,
                Text = request.AddText(Encoding.UTF8.GetBytes(text)),
            },
            isHttp);
}
