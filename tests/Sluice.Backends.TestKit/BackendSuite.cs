using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.TestKit;

/// <summary>What every engine must do. An engine's tests derive this class and say where its models are.</summary>
public abstract class BackendSuite : IDisposable
{
    public static TheoryData<DataType> AllTypes => [.. Enum.GetValues<DataType>().Where(type => type != DataType.Invalid)];

    /// <summary>The engine under test.</summary>
    protected abstract IBackend Backend { get; }

    /// <summary>A model INPUT0 → OUTPUT0 of shape [-1, -1] that returns what it gets; null = the engine has no such type.</summary>
    protected abstract ModelSettings? Identity(DataType type);

    /// <summary>A model of two INT32 inputs [-1, 16] with OUTPUT0 the sum and OUTPUT1 the difference.</summary>
    protected abstract ModelSettings AddSub();

    /// <summary>A model of an INT64 scalar STEPS that takes as long as that says; null = the engine has no loops.</summary>
    protected abstract ModelSettings? Slow();

    /// <summary>A model whose file is missing; null = the engine's models need no file.</summary>
    protected abstract ModelSettings? Missing();

    [Theory]
    [MemberData(nameof(AllTypes))]
    public async Task Identity_EachTypeAndManyShapes_ReturnsTheSameBytes(DataType type)
    {
        if (Identity(type) is not { } settings) return;
        using var runner = new BackendRunner(Backend, settings);
        Assert.Equal(type, runner.Description.Inputs[0].DataType);
        var random = new Random((int)type);
        foreach (var (rows, columns) in new[] { (1, 4), (3, 4), (1, 1), (0, 4), (5, 0), (17, 33), (3, 4), (1, 4) })
        {
            var input = new TestTensor("INPUT0", type, Shape.Create([rows, columns]), Values(type, rows * columns, random));
            var output = Assert.Single(await runner.RunAsync([input]));
            Assert.Equal(input.Shape, output.Shape);
            Assert.Equal(input.Data, output.Data);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    [InlineData(100)]
    public async Task AddSub_AnyRowCount_Computes(int rows)
    {
        using var runner = new BackendRunner(Backend, AddSub());
        var left = Ramp(rows * 16, 3);
        var right = Ramp(rows * 16, -7);
        var outputs = await runner.RunAsync(AddSubInputs(rows, left, right));
        Assert.Equal(left.Zip(right, (a, b) => a + b), Ints(outputs.Single(output => output.Name == "OUTPUT0")));
        Assert.Equal(left.Zip(right, (a, b) => a - b), Ints(outputs.Single(output => output.Name == "OUTPUT1")));
        Assert.All(outputs, output => Assert.Equal(Shape.Create([rows, 16]), output.Shape));
    }

    [Fact]
    public async Task AddSub_OneOutputRequested_ReturnsOnlyThat()
    {
        using var runner = new BackendRunner(Backend, AddSub());
        var output = Assert.Single(await runner.RunAsync(AddSubInputs(1, Ramp(16, 1), Ramp(16, 2)), ["OUTPUT1"]));
        Assert.Equal("OUTPUT1", output.Name);
        Assert.Equal(Ramp(16, -1), Ints(output));
    }

    [Fact]
    public async Task AddSub_WrongShape_FailsAsInvalidAndTheNextRequestWorks()
    {
        using var runner = new BackendRunner(Backend, AddSub());
        var bad = new TestTensor("INPUT0", DataType.Int32, Shape.Create([1, 15]), new byte[60]);
        var good = AddSubInputs(1, Ramp(16, 1), Ramp(16, 1));
        var error = await Assert.ThrowsAsync<InferenceException>(() => runner.RunAsync([bad, good[1]]));
        Assert.Equal(InferenceCode.InvalidArgument, error.Code);
        Assert.Contains(runner.Settings.Name, error.Message, StringComparison.Ordinal);
        Assert.Equal(2, (await runner.RunAsync(good)).Count);
    }

    [Fact]
    public async Task AddSub_PoolExhausted_FailsAsResourceExhaustedAndLeaksNothing()
    {
        var pool = new TensorBufferPool(new TensorBufferPoolOptions { MaxBytes = 16_384, Debug = true });
        using var runner = new BackendRunner(Backend, AddSub(), pool);
        var rows = AddSubInputs(96, Ramp(96 * 16, 1), Ramp(96 * 16, 1));
        var error = await Assert.ThrowsAsync<InferenceException>(() => runner.RunAsync(rows));
        Assert.Equal(InferenceCode.ResourceExhausted, error.Code);
        Assert.Equal(2, (await runner.RunAsync(AddSubInputs(1, Ramp(16, 1), Ramp(16, 1)))).Count);
    }

    [Fact]
    public async Task AddSub_TwoInstancesOfOneModelAtOnce_DoNotMix()
    {
        using var first = new BackendRunner(Backend, AddSub());
        using var second = first.Share();
        await Task.WhenAll(Task.Run(() => RunMany(first, 5)), Task.Run(() => RunMany(second, 9)));

        static async Task RunMany(BackendRunner runner, int step)
        {
            for (var i = 0; i < 500; i++)
            {
                var rows = 1 + (i % 5);
                var outputs = await runner.RunAsync(AddSubInputs(rows, Ramp(rows * 16, step), Ramp(rows * 16, i)));
                Assert.Equal(Ramp(rows * 16, step + i), Ints(outputs[0]));
                Assert.Equal(Ramp(rows * 16, step - i), Ints(outputs[1]));
            }
        }
    }

    [Fact]
    public async Task Terminate_WhileRunning_EndsAsCancelledAndTheNextRequestWorks()
    {
        if (Slow() is not { } settings) return;
        using var runner = new BackendRunner(Backend, settings);
        var endless = Task.Run(() => runner.RunAsync([Steps(long.MaxValue)]));
        using var stop = new CancellationTokenSource();

        // The execution may not have begun at the first call, which then has nothing to stop.
        var stopper = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested) runner.Instance.Terminate();
        });
        var error = await Assert.ThrowsAsync<InferenceException>(() => endless.WaitAsync(TimeSpan.FromSeconds(60)));
        Assert.Equal(InferenceCode.Cancelled, error.Code);
        await stop.CancelAsync();
        await stopper;
        Assert.Single(await runner.RunAsync([Steps(3)]));
    }

    [Fact]
    public async Task Terminate_WhenIdle_DoesNotTouchTheNextRequest()
    {
        using var runner = new BackendRunner(Backend, AddSub());
        for (var i = 0; i < 3; i++)
        {
            runner.Instance.Terminate();
            Assert.Equal(2, (await runner.RunAsync(AddSubInputs(1, Ramp(16, 1), Ramp(16, 1)))).Count);
        }
    }

    [Fact]
    public void Load_FileMissing_FailsAndNamesTheModel()
    {
        if (Missing() is not { } settings) return;
        var error = Assert.Throws<InferenceException>(() => Backend.Load(settings));
        Assert.Contains(settings.Name, error.Message, StringComparison.Ordinal);
        Assert.Contains(settings.ModelFilename, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void CreateInstance_ConfiguredTensorNotInTheFile_FailsAndNamesBoth()
    {
        var settings = AddSub();
        using var model = Backend.Load(settings);
        var complete = BackendRunner.Complete(settings, model.Description);
        var wrong = complete with { Inputs = complete.Inputs.SetItem(1, complete.Inputs[1] with { Name = "INPUT9" }) };
        var placement = new InstancePlacement("test_0", InstanceKind.Cpu, 0);
        var error = Assert.Throws<InferenceException>(() => model.CreateInstance(wrong, placement));
        Assert.Contains("INPUT9", error.Message, StringComparison.Ordinal);
        Assert.Contains("INPUT1", error.Message, StringComparison.Ordinal);
    }

    public virtual void Dispose()
    {
        Backend.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>The inputs of <see cref="AddSub"/>.</summary>
    protected static TestTensor[] AddSubInputs(int rows, int[] left, int[] right) =>
    [
        new("INPUT0", DataType.Int32, Shape.Create([rows, 16]), MemoryMarshal.AsBytes<int>(left).ToArray()),
        new("INPUT1", DataType.Int32, Shape.Create([rows, 16]), MemoryMarshal.AsBytes<int>(right).ToArray()),
    ];

    protected static int[] Ramp(int count, int step) => [.. Enumerable.Range(0, count).Select(i => i * step)];

    private static int[] Ints(TestTensor tensor) => MemoryMarshal.Cast<byte, int>(tensor.Data).ToArray();

    private static TestTensor Steps(long count) => new("STEPS", DataType.Int64, default, BitConverter.GetBytes(count));

    private static byte[] Values(DataType type, int count, Random random)
    {
        if (type == DataType.Bytes) return Strings(count, random);
        var data = new byte[count * type.ElementSize()];
        random.NextBytes(data);
        if (type == DataType.Bool)
        {
            foreach (ref var value in data.AsSpan()) value &= 1;
        }

        return data;
    }

    // Any bytes: not all text, zero bytes, empty elements.
    private static byte[] Strings(int count, Random random)
    {
        var stream = new MemoryStream();
        Span<byte> prefix = stackalloc byte[4];
        for (var i = 0; i < count; i++)
        {
            var element = new byte[random.Next(3) == 0 ? 0 : random.Next(200)];
            random.NextBytes(element);
            BinaryPrimitives.WriteInt32LittleEndian(prefix, element.Length);
            stream.Write(prefix);
            stream.Write(element);
        }

        return stream.ToArray();
    }
}
