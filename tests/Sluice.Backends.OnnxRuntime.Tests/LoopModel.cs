using static Sluice.Backends.OnnxRuntime.Tests.OnnxFile;

namespace Sluice.Backends.OnnxRuntime.Tests;

/// <summary>A Loop of STEPS rounds that counts them: runs as long as one likes.</summary>
internal static class LoopModel
{
    private const int Int64 = 7;
    private const int Bool = 9;
    private const int GraphAttribute = 5;

    public static byte[] Bytes
    {
        get
        {
            byte[] body =
            [
                .. Field(1, NodeOf("Identity", ["cond_in"], ["cond_out"])),
                .. Field(1, NodeOf("Sub", ["i", "i"], ["zero"])),
                .. Field(1, NodeOf("Add", ["acc_in", "zero"], ["acc_out"])),
                .. Field(2, "body"),
                .. Field(11, Value("i", TensorType(Int64))),
                .. Field(11, Value("cond_in", TensorType(Bool))),
                .. Field(11, Value("acc_in", TensorType(Int64))),
                .. Field(12, Value("cond_out", TensorType(Bool))),
                .. Field(12, Value("acc_out", TensorType(Int64))),
            ];
            byte[] attribute = [.. Field(1, "body"), .. Field(6, body), .. Field(20, GraphAttribute)];
            return new OnnxFile()
                .Node("Loop", ["STEPS", "", "STEPS"], ["DONE"], attribute)
                .Input("STEPS", TensorType(Int64))
                .Output("DONE", TensorType(Int64))
                .ToBytes();
        }
    }
}
