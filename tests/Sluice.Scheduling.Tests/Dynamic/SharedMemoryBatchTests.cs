using System.Runtime.InteropServices;
using Sluice.Inference;
using Sluice.Tensors;
using Sluice.Tensors.SharedMemory;
using Sluice.Testing;

namespace Sluice.Scheduling.Tests;

/// <summary>Where the model reads and writes when a request's tensors lie in a client's shared memory.</summary>
public sealed class SharedMemoryBatchTests : IDisposable
{
    private const int Row = 8192;

    private readonly SharedMemoryFile _file = new(4 * Row);
    private readonly SharedMemoryRegistry _regions = new();

    public SharedMemoryBatchTests() => _regions.Register("r", _file.Key, 0, 4 * Row);

    public void Dispose()
    {
        Assert.Equal(0, _regions.UserCount);
        _regions.Dispose();
        _file.Dispose();
    }

    [Fact]
    public async Task Single_FloatsInRegion_AreReadAndWrittenThere()
    {
        await using var fixture = new BatcherFixture(Settings(DataType.Fp32));
        var request = Request(fixture, 0, 2 * Row, Row);
        _file.Write(0, MemoryMarshal.AsBytes<float>([1, 2, 3]));
        var done = fixture.Send(request);
        var run = await fixture.Instance.NextRunAsync();
        Assert.True(ReadsAt(run, 0));
        run.Finish();
        await done;
        Assert.True(WroteAt(request, 2 * Row));
        new TensorPlacement(_regions, fixture.Pool).Finish(request);
        Assert.Equal(InferenceCode.Ok, request.Status);
        Assert.Equal(0, request.Outputs[0].Length);
        Assert.Equal(Row, request.Placement.Tensors[0].WrittenLength);
        Assert.Equal(MemoryMarshal.AsBytes<float>([1, 2, 3]).ToArray(), _file.Read(2 * Row, 12));
    }

    /// <summary>An engine that checks an index and reads it again must find the same one.</summary>
    [Theory]
    [InlineData(DataType.Int32, 4)]
    [InlineData(DataType.Int64, 8)]
    public async Task Single_IndexesInRegion_AreCopiedBeforeTheRun(DataType type, int size)
    {
        await using var fixture = new BatcherFixture(Settings(type, Row / size));
        var request = Request(fixture, 0, 2 * Row, Row, type, Row / size);
        _file.Write(0, [1, 2, 3, 4]);
        var done = fixture.Send(request);
        var run = await fixture.Instance.NextRunAsync();
        _file.Write(0, [9, 9, 9, 9]);
        Assert.Equal([1, 2, 3, 4], run.Input(0)![..4]);
        run.Finish();
        await done;
        new TensorPlacement(_regions, fixture.Pool).Finish(request);
        Assert.Equal([1, 2, 3, 4], _file.Read(2 * Row, 4));
    }

    [Fact]
    public async Task Single_UnalignedPlaces_AreCopied()
    {
        await using var fixture = new BatcherFixture(Settings(DataType.Fp32));
        var request = Request(fixture, 4, (2 * Row) + 4, Row);
        _file.Write(4, [5, 6]);
        var done = fixture.Send(request);
        var run = await fixture.Instance.NextRunAsync();
        Assert.False(ReadsAt(run, 4));
        run.Finish();
        await done;
        new TensorPlacement(_regions, fixture.Pool).Finish(request);
        Assert.Equal([5, 6], _file.Read((2 * Row) + 4, 2));
    }

    [Fact]
    public async Task Batch_OfTwo_IsGatheredFromAndScatteredToTheRegion()
    {
        await using var fixture = new BatcherFixture(Settings(DataType.Fp32, isBatching: true));
        var (_, blocker, run) = (0, fixture.Send(Request(fixture, 0, 2 * Row, Row)), await fixture.Instance.NextRunAsync());
        var first = Request(fixture, 0, 2 * Row, Row);
        var second = Request(fixture, Row, 3 * Row, Row);
        _file.Write(0, [1]);
        _file.Write(Row, [2]);
        var (firstDone, secondDone) = (fixture.Send(first), fixture.Send(second));
        run.Finish();
        await blocker;
        run = await fixture.Instance.NextRunAsync();
        Assert.Equal(2, run.Batch.RowCount);
        run.Finish();
        await firstDone;
        await secondDone;
        var placement = new TensorPlacement(_regions, fixture.Pool);
        placement.Finish(first);
        placement.Finish(second);
        Assert.Equal([1], _file.Read(2 * Row, 1));
        Assert.Equal([2], _file.Read(3 * Row, 1));
    }

    [Fact]
    public async Task Finish_RoomTooSmall_FailsInTheWordsThatClientsKnow()
    {
        await using var fixture = new BatcherFixture(Settings(DataType.Fp32));
        var request = Request(fixture, 0, 2 * Row, Row - 1);
        var done = fixture.Send(request);
        (await fixture.Instance.NextRunAsync()).Finish();
        await done;
        new TensorPlacement(_regions, fixture.Pool).Finish(request);
        Assert.Equal(InferenceCode.Internal, request.Status);
        Assert.Equal(
            "shared memory size specified with the request for output 'OUT' (8191 bytes) should be at least 8192 bytes to hold the " +
            "results",
            request.StatusMessage);
    }

    [Fact]
    public async Task Finish_ObjectMadeShorterDuringTheRun_FailsInsteadOfWriting()
    {
        await using var fixture = new BatcherFixture(Settings(DataType.Int32, Row / 4));
        var request = Request(fixture, 0, 2 * Row, Row, DataType.Int32, Row / 4);
        var done = fixture.Send(request);
        var run = await fixture.Instance.NextRunAsync();
        _file.SetLength(100);
        run.Finish();
        await done;
        new TensorPlacement(_regions, fixture.Pool).Finish(request);
        Assert.Equal(InferenceCode.InvalidArgument, request.Status);
        Assert.Contains("has become shorter", request.StatusMessage, StringComparison.Ordinal);
    }

    /// <summary>One client's broken region must not cost the others of its batch anything but time.</summary>
    [Fact]
    public async Task Batch_ObjectMadeShorterInTheQueue_FailsThatRequestAlone()
    {
        await using var fixture = new BatcherFixture(Settings(DataType.Fp32, isBatching: true));
        using var other = new SharedMemoryFile(Row);
        _regions.Register("other", other.Key, 0, Row);
        var blocker = fixture.Send(Request(fixture, 0, 2 * Row, Row));
        var run = await fixture.Instance.NextRunAsync();
        var good = Request(fixture, 0, 2 * Row, Row);
        var bad = Request(fixture, 0, 3 * Row, Row, region: "other");
        var (goodDone, badDone) = (fixture.Send(good), fixture.Send(bad));
        other.SetLength(100);
        run.Finish();
        await blocker;
        (await fixture.Instance.NextRunAsync()).Finish();
        await goodDone;
        await badDone;
        Assert.Equal(InferenceCode.Ok, good.Status);
        Assert.Equal(InferenceCode.InvalidArgument, bad.Status);
        Assert.Contains("region: 'other': its object", bad.StatusMessage, StringComparison.Ordinal);
    }

    private unsafe bool ReadsAt(ManualRun run, int offset) =>
        run.Batch.Inputs[0].Data == _regions.List("r")[0].PointerAt((ulong)offset);

    private unsafe bool WroteAt(InferRequest request, int offset) =>
        request.Outputs[0].Buffer.Pointer == _regions.List("r")[0].PointerAt((ulong)offset);

    private static ModelSettings Settings(DataType type, int dim = Row / 4, bool isBatching = false) =>
        TestRequests.Settings(isBatching ? new DynamicBatchingSettings() : null) with
        {
            Inputs = [TestRequests.Tensor("IN", type, dim)],
            Outputs = [TestRequests.Tensor("OUT", type, dim)],
        };

    private InferRequest Request(
        BatcherFixture fixture, int inputAt, int outputAt, int outputSize, DataType type = DataType.Fp32, int dim = Row / 4,
        string region = "r")
    {
        var request = fixture.Keep(new InferRequest { NeedsPlacement = true });
        ref var output = ref request.AddRequestedOutput();
        output.Name = request.AddText("OUT"u8);
        Place(request, ref request.Placement.Tensor(ref output.Shared), "r", outputAt, outputSize);
        ref var input = ref request.AddInput();
        input.Name = request.AddText("IN"u8);
        input.DataType = type;
        input.Shape = Shape.Create([1, dim]);
        Place(request, ref request.Placement.Tensor(ref input.Shared), region, inputAt, Row);
        new TensorPlacement(_regions, fixture.Pool).Attach(request);
        RequestBinder.Bind(request, fixture.Settings);
        return request;
    }

    private static void Place(InferRequest request, ref SharedTensor place, string region, int offset, int byteSize)
    {
        place.Region = request.AddText(System.Text.Encoding.UTF8.GetBytes(region));
        place.HasRegion = place.HasByteSize = true;
        place.Offset = offset;
        place.ByteSize = byteSize;
    }
}
