using Sluice.Backends.OnnxRuntime.Interop;
using Sluice.Backends.TestKit;
using Sluice.Inference;
using Sluice.Tensors;
using static Sluice.Backends.OnnxRuntime.Tests.OnnxFile;

namespace Sluice.Backends.OnnxRuntime.Tests;

/// <summary>The suite that every engine passes.</summary>
public sealed class OnnxBackendSuiteTests : BackendSuite
{
    private readonly OnnxModelFolder _folder = new();

    protected override IBackend Backend { get; } = new OnnxRuntimeBackend();

    public override void Dispose()
    {
        base.Dispose();
        _folder.Dispose();
    }

    protected override ModelSettings? Identity(DataType type)
    {
        var element = ElementTypes.FromDataType(type);
        var file = new OnnxFile()
            .Node("Identity", ["INPUT0"], ["OUTPUT0"])
            .Input("INPUT0", TensorType(element, "N", "M"))
            .Output("OUTPUT0", TensorType(element, "N", "M"));
        return _folder.Add($"identity_{type}", file.ToBytes());
    }

    protected override ModelSettings AddSub()
    {
        const int int32 = 6;
        var type = TensorType(int32, "N", 16L);
        var file = new OnnxFile()
            .Node("Add", ["INPUT0", "INPUT1"], ["OUTPUT0"])
            .Node("Sub", ["INPUT0", "INPUT1"], ["OUTPUT1"])
            .Input("INPUT0", type).Input("INPUT1", type).Output("OUTPUT0", type).Output("OUTPUT1", type);
        return _folder.Add("add_sub", file.ToBytes());
    }

    protected override ModelSettings? Slow() => _folder.Add("slow", LoopModel.Bytes);

    protected override ModelSettings Missing() => _folder.Missing();
}
