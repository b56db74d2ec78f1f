using System.Collections.Immutable;
using Sluice.Inference;
using Sluice.Scheduling.Dynamic;

namespace Sluice.Scheduling.Tests;

public sealed class RequestQueueTests
{
    private static readonly long Second = ManualDelayTimer.Ticks(1e6);

    [Fact]
    public void First_SeveralPriorities_IsTheMostUrgentAndThenTheOldest()
    {
        var queue = new RequestQueue(new DynamicBatchingSettings { PriorityLevels = 3, DefaultPriorityLevel = 2 }, 100);
        var (low, normal, urgent, none, past) = (Request(3), Request(2), Request(1), Request(0), Request(9));
        foreach (var request in new[] { low, normal, urgent, none, past })
            Assert.True(queue.TryEnqueue(request));

        // 0 and levels that do not exist mean the default one.
        Assert.Equal([urgent, normal, none, past, low], Walk(queue));
        Assert.Equal(5, queue.Count);
        Assert.Equal(5, queue.RowCount);
    }

    [Fact]
    public void TryRemove_FromAnyPlace_KeepsTheOthersInOrder()
    {
        for (var place = 0; place < 4; place++)
        {
            var queue = new RequestQueue(null, 100);
            var requests = Enumerable.Range(0, 4).Select(_ => Request()).ToList();
            requests.ForEach(request => queue.TryEnqueue(request));
            var removed = requests[place];
            Assert.True(queue.TryRemove(removed));
            Assert.False(queue.TryRemove(removed));
            requests.RemoveAt(place);
            Assert.Equal(requests, Walk(queue));
            Assert.Equal(3, queue.Count);
            Assert.True(queue.TryEnqueue(removed));
            Assert.Equal([.. requests, removed], Walk(queue));
        }
    }

    [Fact]
    public void TryEnqueue_AtTheServersBound_IsRefused()
    {
        var queue = new RequestQueue(null, 2);
        Assert.True(queue.TryEnqueue(Request()));
        Assert.True(queue.TryEnqueue(Request()));
        Assert.False(queue.TryEnqueue(Request()));
        Assert.Equal(2, queue.Count);
        Assert.True(queue.TryRemove(queue.First!));
        Assert.True(queue.TryEnqueue(Request()));
    }

    [Fact]
    public void TryEnqueue_AtALevelsBound_IsRefusedThereOnly()
    {
        var settings = new DynamicBatchingSettings
        {
            PriorityLevels = 2,
            DefaultPriorityLevel = 1,
            DefaultQueuePolicy = new QueuePolicySettings { MaxQueueSize = 1 },
            PriorityQueuePolicies = ImmutableDictionary<int, QueuePolicySettings>.Empty
                .Add(2, new QueuePolicySettings { MaxQueueSize = 2 }),
        };
        var queue = new RequestQueue(settings, 100);
        Assert.True(queue.TryEnqueue(Request(1)));
        Assert.False(queue.TryEnqueue(Request(1)));
        Assert.True(queue.TryEnqueue(Request(2)));
        Assert.True(queue.TryEnqueue(Request(2)));
        Assert.False(queue.TryEnqueue(Request(2)));
    }

    [Fact]
    public void SweepTimeouts_Reject_TakesOutWhatIsOverAndTellsTheNext()
    {
        var queue = Queue(new QueuePolicySettings { DefaultTimeoutMicroseconds = 1_000_000 });
        var (first, second) = (Request(queuedAt: 0), Request(queuedAt: 10));
        queue.TryEnqueue(first);
        queue.TryEnqueue(second);
        var rejected = new List<InferRequest>();
        Assert.Equal(Second, queue.SweepTimeouts(Second - 1, rejected));
        Assert.Empty(rejected);
        Assert.Equal(Second + 10, queue.SweepTimeouts(Second, rejected));
        Assert.Equal([first], rejected);
        Assert.Equal([second], Walk(queue));
    }

    [Fact]
    public void SweepTimeouts_Delay_MovesBehindAllOthersEvenLaterOnes()
    {
        var queue = Queue(new QueuePolicySettings
        {
            DefaultTimeoutMicroseconds = 1_000_000,
            TimeoutAction = QueueTimeoutAction.Delay,
        });
        var (first, second, third) = (Request(queuedAt: 0), Request(queuedAt: 10), Request(queuedAt: Second));
        queue.TryEnqueue(first);
        queue.TryEnqueue(second);
        var rejected = new List<InferRequest>();
        queue.SweepTimeouts(Second, rejected);
        Assert.Equal([second, first], Walk(queue));
        queue.TryEnqueue(third);
        Assert.Equal([second, third, first], Walk(queue));

        // A delayed request does not run out again, and those delayed later stand behind it.
        queue.SweepTimeouts(3 * Second, rejected);
        Assert.Equal([first, second, third], Walk(queue));
        Assert.Equal(long.MaxValue, queue.SweepTimeouts(9 * Second, rejected));
        Assert.Empty(rejected);
    }

    [Theory]
    [InlineData(1_000_000, true, 500_000, 500_000)]
    [InlineData(1_000_000, true, 2_000_000, 1_000_000)]
    [InlineData(1_000_000, false, 500_000, 1_000_000)]
    [InlineData(0, true, 500_000, 500_000)]
    [InlineData(0, true, 0, long.MaxValue)]
    [InlineData(0, false, 500_000, long.MaxValue)]
    [InlineData(0, true, long.MaxValue, long.MaxValue)]
    [InlineData(1_000_000, true, long.MaxValue, 1_000_000)]
    [InlineData(36_000_000_000, false, 0, 36_000_000_000)]
    public void ExpiryOf_OwnTimeout_OnlyShortensWhereAllowed(long byDefault, bool allowsOwn, long own, long expected)
    {
        var queue = Queue(new QueuePolicySettings { DefaultTimeoutMicroseconds = byDefault, AllowTimeoutOverride = allowsOwn });
        var request = Request(queuedAt: 77);
        request.TimeoutMicroseconds = own;
        queue.TryEnqueue(request);
        Assert.Equal(
            expected == long.MaxValue ? long.MaxValue : 77 + ManualDelayTimer.Ticks(expected), RequestQueue.ExpiryOf(request));
        Assert.Equal(byDefault > 0 || allowsOwn, queue.HasTimeouts);
    }

    private static RequestQueue Queue(QueuePolicySettings policy) =>
        new(new DynamicBatchingSettings { DefaultQueuePolicy = policy }, 100);

    private static InferRequest Request(ulong priority = 0, long queuedAt = 0) =>
        new() { Priority = priority, QueuedAt = queuedAt, RowCount = 1 };

    private static List<InferRequest> Walk(RequestQueue queue)
    {
        var requests = new List<InferRequest>();
        for (var request = queue.First; request is not null; request = queue.After(request))
            requests.Add(request);
        return requests;
    }
}
