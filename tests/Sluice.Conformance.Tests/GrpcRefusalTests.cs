using Google.Protobuf;
using Sluice.Conformance.Tests.Infrastructure;
using Sluice.Inference;
using Sluice.Protocol.Inference;
using static Sluice.Conformance.Tests.Infrastructure.Requests;

namespace Sluice.Conformance.Tests;

/// <summary>Codes and texts of calls that must fail over gRPC (spec §1.3, §1.5, §1.8).</summary>
[Collection(ConformanceGroup.Name)]
public sealed class GrpcRefusalTests(ConformanceTarget target)
{
    private const InferenceCode Invalid = InferenceCode.InvalidArgument;
    private const string NoId = "[request id: <id_unknown>] ";
    private const string Reserved =
        "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following keys starting with 'triton_' are " +
        "allowed: triton_enable_empty_final_response";

    private static readonly InferParameter Double = new() { DoubleParam = 1.5 };
    private static readonly InferParameter Text = new() { StringParam = "x" };

    private static readonly Dictionary<string, (string Method, IMessage Request, InferenceCode Code, string Text)> Cases = new()
    {
        ["S1_3_UnknownModel_Infer"] = Infer(InferenceCode.NotFound, "Request for unknown model: 'nobody' is not found", Requests.Infer("nobody", Good)),
        ["S1_3_UnknownModel_Metadata"] = ("ModelMetadata", new ModelMetadataRequest { Name = "nobody" }, InferenceCode.NotFound, "Request for unknown model: 'nobody' is not found"),
        ["S1_3_UnknownModel_Config"] = ("ModelConfig", new ModelConfigRequest { Name = "nobody" }, InferenceCode.NotFound, "Request for unknown model: 'nobody' is not found"),
        ["S1_3_AbsentVersion_Infer"] = Infer(InferenceCode.NotFound, "Request for unknown model: 'simple' version 7 is not found", Requests.Infer("simple", Good).Change(r => r.ModelVersion = "7")),
        ["S1_3_AbsentVersion_Metadata"] = ("ModelMetadata", new ModelMetadataRequest { Name = "simple", Version = "7" }, InferenceCode.NotFound, "Request for unknown model: 'simple' version 7 is not found"),
        ["S1_3_VersionLeftOutByPolicy"] = ("ModelConfig", new ModelConfigRequest { Name = "versions", Version = "2" }, InferenceCode.NotFound, "Request for unknown model: 'versions' version 2 is not found"),
        ["S1_3_BadVersion_Infer"] = Infer(Invalid, "failed to get model version from specified version string 'x' (details: *)*", Requests.Infer("simple", Good).Change(r => r.ModelVersion = "x")),
        ["S1_3_NegativeVersion"] = ("ModelReady", new ModelReadyRequest { Name = "simple", Version = "-1" }, Invalid, "invalid model version specified '-1'*"),
        ["S1_3_Statistics_UnknownModel"] = ("ModelStatistics", new ModelStatisticsRequest { Name = "nobody" }, Invalid, "requested model 'nobody' is not available"),
        ["S1_3_Statistics_AbsentVersion"] = ("ModelStatistics", new ModelStatisticsRequest { Name = "simple", Version = "7" }, Invalid, "requested model version is not available for model 'simple'"),
        ["S1_3_Trace_UnknownModel"] = ("TraceSetting", new TraceSettingRequest { ModelName = "nobody" }, Invalid, "Request for unknown model : nobody"),

        ["S1_3_InputCount_OneMissing"] = Core("expected 2 inputs but got 1 inputs for model 'simple'. Got input(s) ['INPUT0'], but missing required input(s) ['INPUT1']. Please provide all required input(s).", Requests.Infer("simple", Good[0])),
        ["S1_3_InputCount_None"] = Core("expected 2 inputs but got 0 inputs for model 'simple'. Got input(s) [], but missing required input(s) ['INPUT0','INPUT1']. Please provide all required input(s).", Requests.Infer("simple")),
        ["S1_3_InputCount_TooMany"] = Core("expected 2 inputs but got 3 inputs for model 'simple'. Got input(s) ['INPUT0','INPUT1','INPUT2'], but missing required input(s) []. Please provide all required input(s).", Requests.Infer("simple", [.. Good, Ints("INPUT2", 16, 1, 16)])),
        ["S1_3_InputCount_WithOptionalOnes"] = Core("expected number of inputs between 1 and 2 but got 0 inputs for model 'optional'. Got input(s) [], but missing required input(s) ['INPUT0']. Please provide all required input(s).", Requests.Infer("optional")),
        ["S0_6_RequestId_StandsInThePrefix"] = Infer(Invalid, "[request id: my-id] expected 2 inputs but got 1 inputs for model 'simple'*", Requests.Infer("simple", Good[0]).Change(r => r.Id = "my-id")),
        ["S1_3_UnexpectedInput"] = Core("unexpected inference input 'INPUT9' for model 'simple'", Requests.Infer("simple", Good[0], Ints("INPUT9", 16, 1, 16))),
        ["S1_3_UnexpectedOutput"] = Core("unexpected inference output 'OUTPUT9' for model 'simple'", Requests.Infer("simple", Good).Asking("OUTPUT9")),
        ["S1_3_DataType"] = Core("inference input 'INPUT0' data-type is 'FP32', but model 'simple' expects 'INT32'", Requests.Infer("simple", Floats("INPUT0", new float[16], 1, 16), Good[1])),
        ["S1_3_BatchTooLarge"] = Core("inference request batch-size must be <= 8 for 'simple'", Requests.Infer("simple", Ints("INPUT0", 144, 9, 16), Ints("INPUT1", 144, 9, 16))),
        ["S1_3_BatchMismatch"] = Core("input 'INPUT*' batch size does not match other inputs for 'simple'", Requests.Infer("simple", Ints("INPUT0", 32, 2, 16), Ints("INPUT1", 48, 3, 16))),
        ["S1_3_NoBatchDimension"] = Core("input 'INPUT0' has no shape but model requires batch dimension for 'batched'", Requests.Infer("batched", Floats("INPUT0", [1]))),
        ["S1_3_Shape_BatchingModel_HasTheNote"] = Core("unexpected shape for input 'INPUT1' for model 'simple'. Expected [-1,16], got [1,17]. NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be prepended to each input shape.*", Requests.Infer("simple", Good[0], Ints("INPUT1", 17, 1, 17))),
        ["S1_3_Shape_OtherModel_HasNoNote"] = Core("unexpected shape for input 'INPUT0' for model 'plain'. Expected [2,-1], got [3,1].", Requests.Infer("plain", Ints("INPUT0", 3, 3, 1))),
        ["S1_3_Shape_SeveralBad_TheLastOneIsNamed"] = Core("unexpected shape for input 'INPUT1' *", Requests.Infer("simple", Ints("INPUT0", 15, 1, 15), Ints("INPUT1", 17, 1, 17))),
        ["S1_3_ByteSize"] = Core("input byte size mismatch for input 'INPUT0' for model 'simple'. Expected 64, got 60", Requests.Infer("simple", Ints("INPUT0", 15, 1, 16), Good[1])),
        ["S1_3_Strings_TooFew"] = Core("expected 4 string elements for inference input 'INPUT0' for model 'texts', got 3", Requests.Infer("texts", Texts("INPUT0", Elements("a", "", "c"), 1, 4))),
        ["S1_3_Strings_TooMany"] = Core("unexpected number of string elements 5 for inference input 'INPUT0' for model 'texts', expecting 4", Requests.Infer("texts", Texts("INPUT0", Elements("a", "b", "c", "d", "e"), 1, 4))),
        ["S1_3_Strings_CutWithinALength"] = Core("incomplete string length indicator for inference input 'INPUT0' for model 'texts', expecting 4 bytes but only 2 bytes available*", Requests.Infer("texts", Texts("INPUT0", [.. Elements("a", "b", "c"), 1, 0], 1, 4))),
        ["S1_3_Strings_LengthPastTheEnd_IsRefused"] = Core("incomplete string data for inference input 'INPUT0' for model 'texts'*", Requests.Infer("texts", Texts("INPUT0", [.. Elements("a", "b", "c"), 9, 0, 0, 0, 1], 1, 4))),
        ["S1_3_DuplicateInput"] = Infer(Invalid, "*input 'INPUT0' already exists in request", Requests.Infer("simple", Good[0], Good[0])),
        ["S1_3_DuplicateOutput"] = Infer(Invalid, "*output 'OUTPUT0' already exists in request", Requests.Infer("simple", Good).Asking("OUTPUT0", "OUTPUT0")),

        ["S0_3_RawAndTyped"] = Infer(Invalid, "contents field must not be specified when using raw_input_contents for 'INPUT0' for model 'simple'", Requests.Infer("simple", Good).Change(r => r.Inputs[0].Contents = Sixteen())),
        ["S1_3_NoData"] = Infer(Invalid, "unable to find data for input tensor 'INPUT0' for model 'simple' in request.", Typed("simple", Good[0].Item1, Good[1].Item1)),
        ["S1_3_TypedFieldOfAnotherType"] = Infer(Invalid, "unexpected explicit tensor data for input tensor 'INPUT0' for model 'simple' of type 'FP32', expected datatype 'INT32'", Typed("simple", Good[0].Item1.With(new InferTensorContents { Fp32Contents = { 1 } }), Good[1].Item1.With(Sixteen()))),
        ["S1_3_TwoTypedFields"] = Infer(Invalid, "unexpected explicit tensor data for input tensor 'INPUT0' for model 'simple'*, binary data was already supplied.", Typed("simple", Good[0].Item1.With(new InferTensorContents { IntContents = { new int[16] }, Fp32Contents = { 1 } }), Good[1].Item1.With(Sixteen()))),

        ["S1_3_SequenceId_Type"] = Infer(Invalid, "invalid value type for 'sequence_id' parameter, expected int64_param or string_param.", Requests.Infer("simple", Good).With("sequence_id", Double)),
        ["S1_3_SequenceStart_Type"] = Infer(Invalid, "invalid value type for 'sequence_start' parameter, expected bool_param.", Requests.Infer("simple", Good).With("sequence_start", Text)),
        ["S1_3_SequenceEnd_Type"] = Infer(Invalid, "invalid value type for 'sequence_end' parameter, expected bool_param.", Requests.Infer("simple", Good).With("sequence_end", Text)),
        ["S1_3_Priority_Type"] = Infer(Invalid, "invalid value type for 'priority' parameter, expected int64_param or uint64_param.", Requests.Infer("simple", Good).With("priority", Text)),
        ["S1_3_Timeout_Type"] = Infer(Invalid, "invalid value type for 'timeout' parameter, expected int64_param.", Requests.Infer("simple", Good).With("timeout", Text)),
        ["S1_3_ReservedParameter"] = Infer(Invalid, Reserved, Requests.Infer("simple", Good).With("triton_other", Text)),
        ["S1_3_CustomParameter_Uint64"] = Infer(Invalid, "invalid value type for 'mine' parameter, expected int64_param, bool_param, or string_param.", Requests.Infer("simple", Good).With("mine", new InferParameter { Uint64Param = 1 })),
        ["S1_3_Decoupled_ModelInfer"] = Infer(InferenceCode.Unimplemented, "ModelInfer RPC doesn't support models with decoupled transaction policy", Requests.Infer("repeat_int32", Ints("IN", 1, 1), (Tensor("DELAY", "UINT32", 1), new byte[4]), (Tensor("WAIT", "UINT32", 1), new byte[4]))),
        ["S1_3_OrdinaryModel_TwoResponses"] = Infer(InferenceCode.Internal, "*expected a single response, got 2", Requests.Infer("repeat_once", Ints("IN", 2, 2), (Tensor("DELAY", "UINT32", 2), new byte[8]), (Tensor("WAIT", "UINT32", 1), new byte[4]))),

        ["S1_5_Classification_Text"] = Classes("texts", Texts("INPUT0", Elements("a", "b", "c", "d"), 1, 4), "class result not available for output due to unsupported type 'BYTES'"),
        ["S1_5_Classification_Bool"] = Classes("types", (Tensor("INPUT0", "BOOL", 2), [1, 0]), "class result not available for output due to unsupported type 'BOOL'"),
        ["S1_5_Classification_Fp16"] = Classes("types", (Tensor("INPUT9", "FP16", 2), new byte[4]), "class result not available for output due to unsupported type 'FP16'", 9),
        ["S1_5_Classification_Bf16"] = Classes("types", (Tensor("INPUT10", "BF16", 2), new byte[4]), "class result not available for output due to unsupported type 'BF16'", 10),

        ["S1_8_Index_NamedRepository"] = ("RepositoryIndex", new RepositoryIndexRequest { RepositoryName = "r" }, InferenceCode.Unimplemented, "'repository_name' specification is not supported"),
        ["S1_8_Load_NamedRepository"] = ("RepositoryModelLoad", new RepositoryModelLoadRequest { RepositoryName = "r", ModelName = "simple" }, InferenceCode.Unimplemented, "'repository_name' specification is not supported"),
        ["S0_5_Load_Unknown"] = ("RepositoryModelLoad", new RepositoryModelLoadRequest { ModelName = "nobody" }, InferenceCode.Internal, "failed to load 'nobody', failed to poll from model repository"),
        ["S0_5_Load_Broken"] = ("RepositoryModelLoad", new RepositoryModelLoadRequest { ModelName = "broken" }, Invalid, "load failed for model 'broken': *"),
        ["S1_8_Load_EmptyName"] = ("RepositoryModelLoad", new RepositoryModelLoadRequest(), Invalid, "Model name cannot be empty. Please enter a valid name to deploy."),
        ["S1_8_Load_PathInTheName"] = ("RepositoryModelLoad", new RepositoryModelLoadRequest { ModelName = "../simple" }, Invalid, "invalid model name '../simple', model name must not contain path traversal characters"),
        ["S1_8_Load_ConfigType"] = Load("config", new ModelRepositoryParameter { Int64Param = 1 }, "invalid value type for load parameter 'config', expected string_param."),
        ["S1_8_Load_FileType"] = Load("file:1/model.onnx", new ModelRepositoryParameter { StringParam = "x" }, "invalid value type for load parameter 'file:1/model.onnx', expected bytes_param."),
        ["S1_8_Load_UnknownParameter"] = Load("colour", new ModelRepositoryParameter { StringParam = "x" }, "unrecognized load parameter 'colour'."),

        ["S1_8_Shm_RegisterMissingObject"] = ("SystemSharedMemoryRegister", new SystemSharedMemoryRegisterRequest { Name = "r", Key = "/sluice-none", ByteSize = 8 }, InferenceCode.Internal, "Unable to open shared memory region: '/sluice-none'"),
        ["S1_8_Shm_ReservedKey"] = ("SystemSharedMemoryRegister", new SystemSharedMemoryRegisterRequest { Name = "r", Key = "/triton_python_backend_shm_region_1", ByteSize = 8 }, Invalid, "*triton_python_backend_shm_region_*"),
        ["S1_8_Shm_KeyOfSlashes"] = ("SystemSharedMemoryRegister", new SystemSharedMemoryRegisterRequest { Name = "r", Key = "///", ByteSize = 8 }, Invalid, "*'///'*"),
        ["S1_8_Shm_StatusOfUnknown"] = ("SystemSharedMemoryStatus", new SystemSharedMemoryStatusRequest { Name = "r" }, InferenceCode.NotFound, "Unable to find system shared memory region: 'r'"),
        ["S1_8_CudaShm_StatusOfUnknown"] = ("CudaSharedMemoryStatus", new CudaSharedMemoryStatusRequest { Name = "r" }, InferenceCode.NotFound, "Unable to find cuda shared memory region: 'r'"),
        ["S1_8_Shm_InputInUnknownRegion"] = Infer(InferenceCode.NotFound, "Unable to find shared memory region: 'r'", Typed("simple", Good[0].Item1, Good[1].Item1).Change(r => Array.ForEach([.. r.Inputs], i => Place(i.Parameters, "r", 64)))),

        ["S1_8_Trace_File"] = Trace("trace_file", InferenceCode.Unimplemented, "trace file location can not be updated through network protocol", "x"),
        ["S1_8_Log_File"] = Log("log_file", new() { StringParam = "x" }, InferenceCode.Unimplemented, "log file location can not be updated through network protocol"),
        ["S1_8_Log_BoolWanted"] = Log("log_info", new() { StringParam = "x" }, Invalid, "expect boolean for 'log_info'"),
        ["S1_8_Log_Format"] = Log("log_format", new() { StringParam = "pretty" }, Invalid, "invalid argument for log_format, got: pretty"),
    };

    public static TheoryData<string> Rules => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(Rules))]
    public async Task Refusal_HasCodeAndText(string rule)
    {
        var (method, request, code, text) = Cases[rule];
        var answer = await target.FailAsync(method, request);
        Assert.True(answer.Code == code, $"{answer.Code}: {answer.Text}");
        Expected.Text(text, answer.Text);
    }

    private static (string, IMessage, InferenceCode, string) Infer(InferenceCode code, string text, ModelInferRequest request) =>
        ("ModelInfer", request, code, text);

    /// <summary>What the original's core refuses carries the request's id.</summary>
    private static (string, IMessage, InferenceCode, string) Core(string text, ModelInferRequest request) => Infer(Invalid, NoId + text, request);

    private static (string, IMessage, InferenceCode, string) Classes(
        string model, (ModelInferRequest.Types.InferInputTensor, byte[]) input, string text, int output = 0)
    {
        var wanted = new ModelInferRequest.Types.InferRequestedOutputTensor { Name = $"OUTPUT{output}" };
        wanted.Parameters["classification"] = new InferParameter { Int64Param = 1 };
        return Infer(Invalid, "*" + text, Requests.Infer(model, input).Asking(wanted));
    }

    private static (string, IMessage, InferenceCode, string) Load(string key, ModelRepositoryParameter value, string text)
    {
        var request = new RepositoryModelLoadRequest { ModelName = "simple" };
        request.Parameters[key] = value;
        return ("RepositoryModelLoad", request, Invalid, text);
    }

    private static (string, IMessage, InferenceCode, string) Trace(string key, InferenceCode code, string text, params string[] values)
    {
        var request = new TraceSettingRequest();
        request.Settings[key] = new TraceSettingRequest.Types.SettingValue { Value = { values } };
        return ("TraceSetting", request, code, text);
    }

    private static (string, IMessage, InferenceCode, string) Log(string key, LogSettingsRequest.Types.SettingValue value, InferenceCode code, string text)
    {
        var request = new LogSettingsRequest();
        request.Settings[key] = value;
        return ("LogSettings", request, code, text);
    }

    private static InferTensorContents Sixteen() => new() { IntContents = { new int[16] } };
}
