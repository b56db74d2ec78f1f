using System.Text;
using Sluice.Conformance.Tests.Infrastructure;

namespace Sluice.Conformance.Tests;

/// <summary>Statuses and texts of calls that must fail over HTTP (spec §0.17, §2).</summary>
[Collection(ConformanceGroup.Name)]
public sealed class HttpRefusalTests(ConformanceTarget target)
{
    private const string NoId = "[request id: <id_unknown>] ";
    private const string Infer = "/v2/models/simple/infer";
    private const string Zeros = "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]";

    private static readonly string Input1 = Input("INPUT1", "[1,16]", "INT32", $"\"data\":{Zeros}");

    private static readonly Dictionary<string, (string Path, string? Body, int Status, string Text)> Cases = new()
    {
        ["S2_1_UnknownPath"] = ("/v2/nothing", null, 404, "Not Found"),
        ["S2_1_UnknownPost"] = ("/v3", "", 404, "Not Found"),
        ["S2_1_WrongMethod_Get"] = (Infer, null, 405, "Method Not Allowed"),
        ["S2_1_WrongMethod_Post"] = ("/v2/health/live", "", 405, "Method Not Allowed"),
        ["S2_2_UnknownModel_Metadata"] = ("/v2/models/nobody", null, 404, "Request for unknown model: 'nobody' is not found"),
        ["S2_2_UnknownModel_Config"] = ("/v2/models/nobody/config", null, 404, "Request for unknown model: 'nobody' is not found"),
        ["S2_2_UnknownModel_Infer"] = ("/v2/models/nobody/infer", Inputs(Input1), 404, "Request for unknown model: 'nobody' is not found"),
        ["S2_2_UnknownModel_Percent"] = ("/v2/models/no%20body", null, 404, "Request for unknown model: 'no body' is not found"),
        ["S2_2_AbsentVersion"] = ("/v2/models/simple/versions/7", null, 404, "Request for unknown model: 'simple' version 7 is not found"),
        ["S2_2_Statistics_UnknownModel"] = ("/v2/models/nobody/stats", null, 400, "requested model 'nobody' is not available"),
        ["S2_2_Load_Unknown"] = ("/v2/repository/models/nobody/load", "", 500, "failed to load 'nobody', failed to poll from model repository"),
        ["S2_2_Load_Broken"] = ("/v2/repository/models/broken/load", "", 400, "load failed for model 'broken': *"),
        ["S2_2_NamedRepository"] = ("/v2/repository/r/index", "", 501, "'repository_name' specification is not supported"),
        ["S2_2_Shm_UnknownRegion"] = ("/v2/systemsharedmemory/region/r/status", null, 404, "Unable to find system shared memory region: 'r'"),
        ["S2_2_Trace_File"] = ("/v2/trace/setting", """{"trace_file":"x"}""", 501, "trace file location can not be updated through network protocol"),
        ["S2_2_Trace_UnknownModel"] = ("/v2/models/nobody/trace/setting", null, 400, "Request for unknown model : nobody"),
        ["S2_2_Log_File"] = ("/v2/logging", """{"log_file":"x"}""", 501, "log file location can not be updated through network protocol"),

        ["S1_3_InputCount"] = (Infer, Inputs(Input1), 400, NoId + "expected 2 inputs but got 1 inputs for model 'simple'. Got input(s) ['INPUT1'], but missing required input(s) ['INPUT0']. Please provide all required input(s)."),
        ["S0_6_RequestId"] = (Infer, $$"""{"id":"77","inputs":[{{Input1}}]}""", 400, "[request id: 77] expected 2 inputs but got 1 inputs for model 'simple'.*"),
        ["S1_3_UnexpectedOutput"] = (Infer, $$"""{"inputs":[{{Input("INPUT0", "[1,16]", "INT32", "\"data\":" + Zeros)}},{{Input1}}],"outputs":[{"name":"OUTPUT9"}]}""", 400, NoId + "unexpected inference output 'OUTPUT9' for model 'simple'"),
        ["S1_3_Shape"] = (Infer, Inputs(Input("INPUT0", "[1,1]", "INT32", "\"data\":[1]"), Input1), 400, NoId + "unexpected shape for input 'INPUT0' for model 'simple'. Expected [-1,16], got [1,1]. NOTE:*"),
        ["S1_3_DataType"] = (Infer, Inputs(Input("INPUT0", "[1,1]", "FP32", "\"data\":[1]"), Input1), 400, NoId + "inference input 'INPUT0' data-type is 'FP32', but model 'simple' expects 'INT32'"),
        ["S2_3_NoData"] = (Infer, Inputs("""{"name":"INPUT0","shape":[1,16],"datatype":"INT32"}""", Input1), 400, "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', 'shared_memory_region' in 'parameters'.*"),
        ["S2_3_TwoKindsOfData"] = (Infer, Inputs($$$"""{"name":"INPUT0","shape":[1,16],"datatype":"INT32","data":{{{Zeros}}},"parameters":{"binary_data_size":64}}""", Input1), 400, "Input must set only one of the following fields: *"),
        ["S2_3_DataAndShapeDisagree"] = (Infer, Inputs(Input("INPUT0", "[1,16]", "INT32", "\"data\":[1,2]"), Input1), 400, "*shape does not match true shape of 'data' field*"),
        ["S2_3_NegativeShape"] = (Infer, Inputs(Input("INPUT0", "[-1,16]", "INT32", "\"data\":[1]"), Input1), 500, "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer"),
        ["S2_3_ShapeOverflow"] = (Infer, Inputs(Input("INPUT0", "[4294967296,4294967296]", "INT32", "\"data\":[1]"), Input1), 400, "*causes total element count to exceed maximum size of*"),
        ["S2_3_Nesting"] = (Infer, Inputs(Input("INPUT0", "[1,16]", "INT32", $"\"data\":{new string('[', 101)}1{new string(']', 101)}"), Input1), 400, "*JSON nesting depth exceeds maximum allowed limit (100)"),
        ["S2_3_Fp16InJson"] = ("/v2/models/types/infer", Inputs(Input("INPUT9", "[1]", "FP16", "\"data\":[1]")), 400, "receiving FP16 data via JSON is not supported. Please use the binary data format for input 'INPUT9'"),
        ["S2_3_Bf16InJson"] = ("/v2/models/types/infer", Inputs(Input("INPUT10", "[1]", "BF16", "\"data\":[1]")), 400, "receiving BF16 data via JSON is not supported. Please use the binary data format for input 'INPUT10'"),
        ["S2_3_ReservedParameter"] = (Infer, $$"""{"parameters":{"triton_enable_empty_final_response":true},"inputs":[{{Input1}}]}""", 400, "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified."),
        ["S2_3_Decoupled"] = ("/v2/models/repeat_int32/infer", Inputs(Input("IN", "[1]", "INT32", "\"data\":[1]")), 501, "HTTP end point doesn't support models with decoupled transaction policy"),
        ["S2_3_NoJson"] = (Infer, "{", 400, "*"),

        ["S2_4_UnknownModel"] = ("/v2/models/nobody/generate", "{}", 404, "Request for unknown model: 'nobody' is not found"),
        ["S2_4_MissingInput"] = ("/v2/models/optional/generate", "{}", 400, "*'INPUT0'*"),
        ["S2_4_WrongType"] = ("/v2/models/repeat_int32/generate", """{"IN":"x"}""", 400, "*IN*"),
        ["S2_4_Generate_TwoResponses"] = ("/v2/models/repeat_int32/generate", """{"IN":[4,5],"DELAY":[0,0],"WAIT":0}""", 500, "generate expects model to produce exactly 1 response, use generate stream for model that generates various number of responses"),
        ["S2_4_Stream_MissingInput_IsAnOrdinaryError"] = ("/v2/models/optional/generate_stream", "{}", 400, "*'INPUT0'*"),
    };

    public static TheoryData<string> Rules => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(Rules))]
    public async Task Refusal_HasStatusAndText(string rule)
    {
        var (path, body, status, text) = Cases[rule];
        var answer = body is null ? await target.GetAsync(path) : await target.PostAsync(path, body);
        Assert.True(answer.Status == status, $"{answer.Status}: {answer.Text}");
        Assert.StartsWith("application/json", answer.Headers["Content-Type"], StringComparison.Ordinal);
        Expected.Text(text, answer.Error);
    }

    [Fact]
    public async Task S2_3_UnknownEncoding_IsNotImplementedAndNamesTheKnownOnes()
    {
        var answer = await target.PostAsync(Infer, "{}", ("Content-Encoding", "br"));
        Assert.Equal((501, "gzip, deflate"), (answer.Status, answer.Headers["Accept-Encoding"]));
    }

    [Theory]
    [InlineData("S2_3_Binary_Surplus", 65, 64, "unexpected additional input data for model 'plain'")]
    [InlineData("S2_3_Binary_TooShort", 63, 64, "unexpected size for input 'INPUT0', expecting 64 bytes for model 'plain'")]
    public async Task Binary_BlobOfTheWrongSize(string rule, int sent, int declared, string text)
    {
        var head = Encoding.UTF8.GetBytes(Inputs($$$"""{"name":"INPUT0","shape":[2,8],"datatype":"INT32","parameters":{"binary_data_size":{{{declared}}}}}"""));
        var answer = await target.SendAsync(
            HttpMethod.Post, "/v2/models/plain/infer", [.. head, .. new byte[sent]], ("Inference-Header-Content-Length", $"{head.Length}"));
        Assert.True(answer.Status == 400, $"{rule}: {answer.Text}");
        Expected.Text(text, answer.Error);
    }

    [Theory]
    [InlineData("S1_3_Raw_TwoInputs", "simple", "Raw request must only have 1 input (found 1) to be deduced but got 2 inputs in 'simple' model configuration")]
    [InlineData("S1_3_Raw_TwoWildcards", "wild", "*more than one*")]
    [InlineData("S1_3_Raw_Texts", "texts", "*BYTES*[1]")]
    public async Task Raw_ThatCannotBeDeduced(string rule, string model, string text)
    {
        var answer = await target.SendAsync(HttpMethod.Post, $"/v2/models/{model}/infer", new byte[16], ("Inference-Header-Content-Length", "0"));
        Assert.True(answer.Status == 400, $"{rule}: {answer.Status} {answer.Text}");
        Expected.Text(text, answer.Error);
    }

    private static string Input(string name, string shape, string type, string rest) =>
        $"{{\"name\":\"{name}\",\"shape\":{shape},\"datatype\":\"{type}\",{rest}}}";

    private static string Inputs(params string[] inputs) => $"{{\"inputs\":[{string.Join(',', inputs)}]}}";
}
