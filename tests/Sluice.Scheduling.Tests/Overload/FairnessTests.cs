using Sluice.Inference;
using Sluice.Scheduling.Dynamic;

namespace Sluice.Scheduling.Tests.Overload;

/// <summary>Callers have turns; one that sends much waits for itself.</summary>
public sealed class FairnessTests
{
    [Fact]
    public void LightCaller_PassesTheFloodOfAnother()
    {
        var queue = new RequestQueue(null, 100_000);
        var flood = Enumerable.Range(0, 10_000).Select(_ => Request(1)).ToList();
        flood.ForEach(request => Assert.True(queue.TryEnqueue(request)));
        var light = Enumerable.Range(0, 3).Select(_ => Request(2)).ToList();
        light.ForEach(request => Assert.True(queue.TryEnqueue(request)));
        var order = Drain(queue);
        Assert.Equal(10_003, order.Count);
        Assert.All(light, request => Assert.InRange(order.IndexOf(request), 0, 15));
        Assert.Equal(flood, order.Where(request => request.ClientKey == 1));
        Assert.Equal(light, order.Where(request => request.ClientKey == 2));
    }

    [Fact]
    public void OneCaller_StaysInOrder_HoweverTheQueueIsUsed()
    {
        var random = new Random(5);
        var queue = new RequestQueue(null, 100_000);
        var model = new List<InferRequest>();
        for (var i = 0; i < 20_000; i++)
        {
            if (random.Next(100) < 55)
            {
                var request = Request(7);
                queue.TryEnqueue(request);
                model.Add(request);
            }
            else if (model.Count > 0)
            {
                var place = random.Next(3) == 0 ? random.Next(model.Count) : 0;
                Assert.Same(model[0], queue.First);
                Assert.True(queue.TryRemove(model[place]));
                model.RemoveAt(place);
            }
        }

        Assert.Equal(model, Drain(queue));
    }

    [Fact]
    public void ManyCallers_EachInOrder_NoneWaitsLongerThanItsShare()
    {
        var random = new Random(6);
        var queue = new RequestQueue(null, 100_000);
        var sent = new Dictionary<int, List<InferRequest>>();
        for (var i = 0; i < 4_000; i++)
        {
            // Caller 0 sends half of all.
            var caller = random.Next(2) == 0 ? 0 : random.Next(1, 20);
            var request = Request(caller);
            queue.TryEnqueue(request);
            sent.TryAdd(caller, []);
            sent[caller].Add(request);
        }

        var order = Drain(queue);
        foreach (var (caller, requests) in sent)
        {
            Assert.Equal(requests, order.Where(request => request.ClientKey == caller));

            // With 20 callers and 8 places each in a round, its n-th request is done after n / 8 rounds at the latest.
            for (var n = 0; caller != 0 && n < requests.Count; n++)
                Assert.InRange(order.IndexOf(requests[n]), 0, ((n / 8) + 1) * 20 * 8);
        }
    }

    [Fact]
    public void FourClasses_WithoutABatcher_ThirdIsForThoseWhoNameNone()
    {
        var queue = new RequestQueue(null, 100);
        foreach (var priority in new ulong[] { 4, 0, 3, 2, 1, 9, 1 })
            queue.TryEnqueue(Request(1, priority));
        Assert.Equal([1, 1, 2, 0, 3, 9, 4], Drain(queue).Select(request => (int)request.Priority));
    }

    private static InferRequest Request(int caller, ulong priority = 0) =>
        new() { Lifetime = new Caller(caller), Priority = priority, RowCount = 1 };

    private static List<InferRequest> Drain(RequestQueue queue)
    {
        var order = new List<InferRequest>();
        for (var request = queue.First; request is not null; request = queue.After(request))
            order.Add(request);
        foreach (var request in order)
        {
            Assert.Same(request, queue.First);
            queue.TryRemove(request);
        }

        Assert.Equal((0, 0), (queue.Count, queue.RowCount));
        return order;
    }

    private sealed class Caller(int key) : ICallLifetime
    {
        public CancellationToken CancellationToken => default;

        public bool IsDeadlineExceeded => false;

        public int ClientKey => key;
    }
}
