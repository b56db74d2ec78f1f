using Sluice.Inference;
using Sluice.Scheduling.Loading;
using Sluice.Tensors;

namespace Sluice.Scheduling.Tests;

public sealed class RecentRequestsTests
{
    private const long Second = 1000;

    private static readonly ModelSettings Floats = TestRequests.Settings(new DynamicBatchingSettings()) with
    {
        Inputs = [TestRequests.Tensor("IN", DataType.Fp32, -1)],
        Outputs = [TestRequests.Tensor("OUT", DataType.Fp32, -1)],
    };

    [Fact]
    public void Offer_KeepsOneASecond_AndTheLatestOfThem()
    {
        var recent = new RecentRequests(3, Second);
        for (var i = 0; i < 50; i++)
            Offer(recent, i, now: i * Second / 10);
        Assert.Equal([20, 30, 40], recent.List().Select(inputs => (int)inputs[0].Data[0]).Order());
        Assert.Equal("IN"u8.ToArray(), recent.List()[0][0].Name);
        Assert.Equal(Shape.Create([1, 2]), recent.List()[0][0].Shape);
    }

    [Fact]
    public void Offer_OfALargeRequest_KeepsNothing()
    {
        var recent = new RecentRequests(3, Second);
        Offer(recent, 1, now: 0, columns: (RecentRequests.MostBytes / sizeof(float)) + 1);
        Assert.Empty(recent.List());
        Offer(recent, 2, now: Second, columns: RecentRequests.MostBytes / sizeof(float));
        Assert.Single(recent.List());
    }

    private static void Offer(RecentRequests recent, int value, long now, int columns = 2)
    {
        var data = new byte[columns * sizeof(float)];
        data[0] = (byte)value;
        var request = TestRequests.Of(Floats, ("IN", DataType.Fp32, [1, columns], data));
        recent.Offer(request, now);
        request.Reset();
    }
}
