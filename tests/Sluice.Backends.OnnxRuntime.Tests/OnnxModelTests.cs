using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Sluice.Backends.OnnxRuntime.Interop;
using Sluice.Backends.TestKit;
using Sluice.Inference;
using Sluice.Tensors;
using static Sluice.Backends.OnnxRuntime.Tests.OnnxFile;

namespace Sluice.Backends.OnnxRuntime.Tests;

/// <summary>Graphs that are unusual, untrue or not to be served.</summary>
public sealed class OnnxModelTests : IDisposable
{
    private const int Float = 1;
    private const int Int64 = 7;
    private const int String = 8;
    private const int Complex64 = 14;

    private readonly OnnxModelFolder _folder = new();
    private readonly OnnxRuntimeBackend _backend = new();

    public void Dispose()
    {
        _backend.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Load_SequenceOutput_IsRefusedAndNamed()
    {
        var file = new OnnxFile()
            .Node("SequenceConstruct", ["x"], ["parts"])
            .Input("x", TensorType(Float, 2L))
            .Output("parts", SequenceType(TensorType(Float, 2L)));
        var error = Refused(file);
        Assert.Contains("output 'parts' is a sequence", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_GraphWithALoop_MayRunForAnyTime()
    {
        using var loop = _backend.Load(_folder.Add("loop", LoopModel.Bytes));
        Assert.True(loop.Description.HasLoops);
        var plain = new OnnxFile().Node("Identity", ["x"], ["y"]).Input("x", TensorType(Float, 2L)).Output("y", TensorType(Float, 2L));
        using var straight = _backend.Load(_folder.Add("straight", plain.ToBytes()));
        Assert.False(straight.Description.HasLoops);
    }

    /// <summary>A large object on the way would be collected with the oldest ones, while all requests stand still.</summary>
    [Fact]
    public void Load_AgainAndAgain_MakesNoLargeObjects()
    {
        var settings = _folder.Add("loop", LoopModel.Bytes);
        _backend.Load(settings).Dispose();
        var before = GC.GetAllocatedBytesForCurrentThread();
        _backend.Load(settings).Dispose();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 80_000);
    }

    /// <summary>Threads that a session starts for itself would stay as unimportant as the thread that loads it.</summary>
    [Theory]
    [InlineData(null, null, true)]
    [InlineData("enable_mem_pattern", "0", true)]
    [InlineData("intra_op_thread_count", "1", true)]
    [InlineData("intra_op_thread_count", "2", false)]
    [InlineData("inter_op_thread_count", "2", false)]
    public void Load_IsOnTheLoadThread_UnlessItStartsThreads(string? key, string? value, bool isThere)
    {
        var settings = _folder.Add("loop", LoopModel.Bytes);
        if (key is not null)
            settings = settings with { Parameters = settings.Parameters.SetItem(key, value!) };
        var before = LoadThread.Runs;
        _backend.Load(settings).Dispose();
        Assert.Equal(isThere ? 1 : 0, LoadThread.Runs - before);
    }

    [Fact]
    public void LoadThread_IsLessImportant_AndPassesFailuresOn()
    {
        var (before, within) = (LoadThread.Own(), 0);
        LoadThread.Run(() => within = LoadThread.Own());
        Assert.Equal((before, Math.Max(before, 10)), (LoadThread.Own(), within));
        Assert.Equal("no", Assert.Throws<IOException>(() => LoadThread.Run(() => throw new IOException("no"))).Message);
    }

    [Fact]
    public void Load_ElementTypeWithoutProtocolName_IsRefusedAndNamed()
    {
        var file = new OnnxFile()
            .Node("Identity", ["x"], ["y"])
            .Input("x", TensorType(Complex64, 2L))
            .Output("y", TensorType(Complex64, 2L));
        Assert.Contains("complex64", Refused(file).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_OutputOfUnknownRank_TakesWhateverComes()
    {
        var file = new OnnxFile()
            .Node("Reshape", ["x", "s"], ["y"])
            .Input("x", TensorType(Float, "N"))
            .Input("s", TensorType(Int64, "K"))
            .Output("y", TensorType(Float, null));
        using var runner = new BackendRunner(_backend, _folder.Add("reshape", file.ToBytes()));
        Assert.Null(runner.Description.Outputs[0].Dims);
        foreach (var target in new long[][] { [1], [1, 1, 1], [], [1, 1] })
        {
            var shape = MemoryMarshal.AsBytes<long>(target).ToArray();
            var output = Assert.Single(await runner.RunAsync(
                [Floats("x", [1], 7), new TestTensor("s", DataType.Int64, Shape.Create([target.Length]), shape)]));
            Assert.Equal(Shape.Create(target), output.Shape);
            Assert.Equal(7, BitConverter.ToSingle(output.Data));
        }
    }

    [Fact]
    public async Task Run_OutputShapeInFileIsUntrue_ReturnsTheRealOneEveryTime()
    {
        // The file says that y has as many rows as x; it has twice as many.
        var file = new OnnxFile()
            .Node("Concat", ["x", "x"], ["y"], [.. Field(1, "axis"), .. Field(3, 0), .. Field(20, 2)])
            .Node("Identity", ["x"], ["z"])
            .Input("x", TensorType(Float, "N"))
            .Output("y", TensorType(Float, "N"))
            .Output("z", TensorType(Float, "N"));
        using var runner = new BackendRunner(_backend, _folder.Add("untrue", file.ToBytes()));
        for (var round = 1; round < 5; round++)
        {
            var outputs = await runner.RunAsync([Floats("x", [round], [.. Enumerable.Repeat(2.5f, round)])]);
            Assert.Equal($"[{round * 2}]", outputs.Single(output => output.Name == "y").Shape.ToString());
            Assert.Equal($"[{round}]", outputs.Single(output => output.Name == "z").Shape.ToString());
        }
    }

    [Fact]
    public async Task Run_InputsThatBroadcastUnderOneName_GivesTheRealShape()
    {
        var file = new OnnxFile()
            .Node("Add", ["a", "b"], ["y"])
            .Input("a", TensorType(Float, "N"))
            .Input("b", TensorType(Float, "N"))
            .Output("y", TensorType(Float, "N"));
        using var runner = new BackendRunner(_backend, _folder.Add("broadcast", file.ToBytes()));
        var output = Assert.Single(await runner.RunAsync([Floats("a", [1], 1), Floats("b", [3], 1, 2, 3)]));
        Assert.Equal("[3]", output.Shape.ToString());
        Assert.Equal([2, 3, 4], MemoryMarshal.Cast<byte, float>(output.Data).ToArray());
    }

    [Fact]
    public async Task Run_InputWithDefaultInTheFile_MayBeLeftOut()
    {
        var file = new OnnxFile()
            .Node("Add", ["x", "bias"], ["y"])
            .Input("x", TensorType(Float, "N"))
            .Input("bias", TensorType(Float, 1L))
            .Initializer("bias", 10)
            .Output("y", TensorType(Float, "N"));
        var settings = _folder.Add("default", file.ToBytes());
        using (var silent = _backend.Load(settings))
        {
            Assert.Equal("x", Assert.Single(silent.Description.Inputs).Name);
        }

        settings = settings with
        {
            Inputs =
            [
                new TensorSettings { Name = "x", DataType = DataType.Fp32, Dims = [-1] },
                new TensorSettings { Name = "bias", DataType = DataType.Fp32, Dims = [1], IsOptional = true },
            ],
        };
        using var runner = new BackendRunner(_backend, settings);
        Assert.Equal([("x", false), ("bias", true)], runner.Description.Inputs.Select(t => (t.Name, t.IsOptional)));
        var without = Assert.Single(await runner.RunAsync([Floats("x", [1], 1)]));
        var with = Assert.Single(await runner.RunAsync([Floats("x", [1], 1), Floats("bias", [1], 5)]));
        Assert.Equal(11, BitConverter.ToSingle(without.Data));
        Assert.Equal(6, BitConverter.ToSingle(with.Data));
    }

    [Fact]
    public async Task Run_UnnamedBatchDimension_IsTakenFromTheRows()
    {
        var file = new OnnxFile()
            .Node("Neg", ["x"], ["y"])
            .Input("x", TensorType(Float, null, 2L))
            .Output("y", TensorType(Float, null, 2L));
        var settings = _folder.Add("unnamed", file.ToBytes()) with { MaxBatchSize = 8 };
        using var runner = new BackendRunner(_backend, settings);
        var output = Assert.Single(await runner.RunAsync([Floats("x", [3, 2], 1, 2, 3, 4, 5, 6)]));
        Assert.Equal("[3,2]", output.Shape.ToString());
        Assert.Equal(-6, BitConverter.ToSingle(output.Data, 20));
    }

    [Theory]
    [InlineData(new byte[] { }, "1 elements do not fit")]
    [InlineData(new byte[] { 5, 0, 0, 0, 65 }, "element 0 of 1 runs past")]
    [InlineData(new byte[] { 255, 255, 255, 255, 65 }, "element 0 of 1 runs past")]
    [InlineData(new byte[] { 1, 0, 0, 0, 65, 66 }, "1 bytes follow")]
    public async Task Run_StringBytesAreWrong_FailsAsInvalid(byte[] data, string reason)
    {
        using var runner = new BackendRunner(_backend, _folder.Add("strings", Strings()));
        var input = new TestTensor("x", DataType.Bytes, Shape.Create([1]), data);
        var error = await Assert.ThrowsAsync<InferenceException>(() => runner.RunAsync([input]));
        Assert.Equal(InferenceCode.InvalidArgument, error.Code);
        Assert.Contains("'x'", error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_StringShapeFarLargerThanItsBytes_FailsBeforeAllocating()
    {
        using var runner = new BackendRunner(_backend, _folder.Add("strings", Strings()));
        var input = new TestTensor("x", DataType.Bytes, Shape.Create([1L << 40]), new byte[16]);
        var error = await Assert.ThrowsAsync<InferenceException>(() => runner.RunAsync([input]));
        Assert.Equal(InferenceCode.InvalidArgument, error.Code);
    }

    [Fact]
    public void ExecuteAsync_SteadyState_AllocatesNothing()
    {
        var type = TensorType(6, "N", 16L);
        var file = new OnnxFile()
            .Node("Add", ["INPUT0", "INPUT1"], ["OUTPUT0"])
            .Node("Sub", ["INPUT0", "INPUT1"], ["OUTPUT1"])
            .Input("INPUT0", type).Input("INPUT1", type).Output("OUTPUT0", type).Output("OUTPUT1", type);
        using var pool = new TensorBufferPool(new TensorBufferPoolOptions());
        using var runner = new BackendRunner(_backend, _folder.Add("add_sub", file.ToBytes()), pool);
        var batch = new ExecutionBatch(runner.Settings, pool, static _ => { });
        using var left = pool.Rent(8 * 64);
        using var right = pool.Rent(8 * 64);
        left.GetSpan().Clear();
        right.GetSpan().Clear();
        Run(100);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Run(1000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Run(int rounds)
        {
            for (var i = 0; i < rounds; i++)
            {
                // Two shapes in turn, so that views are made anew each time.
                var rows = 1 + (i % 2 * 7);
                batch.Begin(rows);
                batch.Inputs[0] = Input(left, rows);
                batch.Inputs[1] = Input(right, rows);
                batch.Request(0);
                batch.Request(1);
                Finish(runner.Instance.ExecuteAsync(batch));
                batch.Release();
            }
        }

        static void Finish(ValueTask task) => task.GetAwaiter().GetResult();

        static unsafe BatchInput Input(TensorBuffer buffer, int rows) => new()
        {
            IsPresent = true,
            DataType = DataType.Int32,
            Shape = Shape.Create([rows, 16]),
            Data = buffer.Pointer,
            ByteLength = rows * 64,
        };
    }

    [Fact]
    public void Load_FolderOfTheFilesName_TakesTheFileInIt()
    {
        var settings = _folder.Add("outer", []);
        File.Delete(settings.ModelPath);
        Directory.CreateDirectory(settings.ModelPath);
        var missing = Assert.Throws<InferenceException>(() => _backend.Load(settings));
        Assert.Equal(InferenceCode.NotFound, missing.Code);
        File.WriteAllBytes(Path.Combine(settings.ModelPath, "model.onnx"), Strings());
        using var model = _backend.Load(settings);
        Assert.Equal("x", model.Description.Inputs[0].Name);
    }

    [Fact]
    public void Load_WrongParameters_AreAllReported()
    {
        var settings = _folder.Add("parameters", Strings()) with
        {
            Parameters = ImmutableDictionary<string, string>.Empty
                .Add("intra_op_thread_count", "many").Add("execution_mode", "2"),
        };
        var error = Assert.Throws<InferenceException>(() => _backend.Load(settings));
        Assert.Equal(InferenceCode.InvalidArgument, error.Code);
        Assert.Contains("'intra_op_thread_count' is 'many'", error.Message, StringComparison.Ordinal);
        Assert.Contains("'execution_mode' is '2'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Load_EveryKnob_RunsTheModel()
    {
        var settings = _folder.Add("knobs", Strings()) with
        {
            Parameters = ImmutableDictionary<string, string>.Empty
                .Add("intra_op_thread_count", "1").Add("inter_op_thread_count", "1").Add("execution_mode", "1")
                .Add("enable_mem_arena", "1").Add("enable_mem_pattern", "0")
                .Add("memory.enable_memory_arena_shrinkage", "cpu:0")
                .Add("session.set_denormal_as_zero", "1"),
            Optimization = new OptimizationSettings { GraphLevel = 2 },
        };
        using var runner = new BackendRunner(_backend, settings);
        var input = new TestTensor("x", DataType.Bytes, Shape.Create([1]), [1, 0, 0, 0, 65]);
        Assert.Equal(input.Data, Assert.Single(await runner.RunAsync([input])).Data);
    }

    [Theory]
    [InlineData("cuda", "accelerator 'cuda' ")]
    [InlineData("tensorrt", "accelerator 'tensorrt' ")]
    [InlineData("openvino", "OpenVINOExecutionProvider")]
    [InlineData("abacus", "unknown execution accelerator 'abacus'")]
    public void Load_AcceleratorThatTheLibraryLacks_SaysSo(string accelerator, string reason)
    {
        var settings = _folder.Add("accelerated", Strings()) with
        {
            Optimization = new OptimizationSettings
            {
                CpuAccelerators = [new AcceleratorSettings(accelerator, ImmutableDictionary<string, string>.Empty)],
            },
        };
        var error = Assert.Throws<InferenceException>(() => _backend.Load(settings));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("onnxruntime_src", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_GpuInstancesWithoutGpuLibrary_SaysSo()
    {
        var settings = _folder.Add("gpu", Strings()) with
        {
            InstanceGroups = [new InstanceGroupSettings { Name = "gpu_0", Kind = InstanceKind.Gpu, Gpus = [0] }],
        };
        var error = Assert.Throws<InferenceException>(() => _backend.Load(settings));
        Assert.Equal(InferenceCode.FailedPrecondition, error.Code);
        Assert.Contains(OnnxRuntimeLibrary.PathVariable, error.Message, StringComparison.Ordinal);
    }

    private static byte[] Strings() => new OnnxFile()
        .Node("Identity", ["x"], ["y"])
        .Input("x", TensorType(String, "N"))
        .Output("y", TensorType(String, "N"))
        .ToBytes();

    private static TestTensor Floats(string name, long[] shape, params float[] values) =>
        new(name, DataType.Fp32, Shape.Create(shape), MemoryMarshal.AsBytes<float>(values).ToArray());

    private InferenceException Refused(OnnxFile file) =>
        Assert.Throws<InferenceException>(() => _backend.Load(_folder.Add("refused", file.ToBytes())));
}
