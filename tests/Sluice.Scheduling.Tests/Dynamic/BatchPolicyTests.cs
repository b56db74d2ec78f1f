using System.Globalization;
using Sluice.Inference;
using Sluice.Scheduling.Dynamic;

namespace Sluice.Scheduling.Tests;

/// <summary>The sentences of spec §3.5 about the dynamic batcher's choice, one row each.</summary>
public sealed class BatchPolicyTests
{
    private const long Now = 1_000;
    private const long Never = long.MaxValue;

    /// <summary>Queues are written <c>rows@age</c>; an <c>x</c> marks a request of another shape than the first.</summary>
    public static TheoryData<string, int, int[], long, string, int, BatchCutReason, long> Table => new()
    {
        { "nothing waits", 8, [], 0, "", 0, default, Never },
        { "nothing waits, with a delay", 8, [], 100, "", 0, default, Never },
        { "no delay: whatever is queued goes", 8, [], 0, "1@0 1@0 1@0", 3, BatchCutReason.InstanceFree, 0 },
        { "no delay: never more than the maximum", 4, [], 0, "2@0 2@0 2@0", 2, BatchCutReason.SizeReached, 0 },
        { "no delay: up to the largest preferred", 8, [4, 2], 0, "1@0 1@0 1@0 1@0 1@0", 4, BatchCutReason.SizeReached, 0 },
        { "no delay: below every preferred size goes too", 8, [4], 0, "1@0 1@0", 2, BatchCutReason.InstanceFree, 0 },
        { "below every preferred size waits", 8, [4], 100, "1@10 1@5", 0, default, Now - 10 + 100 },
        { "waits no longer than the delay", 8, [4], 100, "1@100 1@5", 2, BatchCutReason.DelayReached, 0 },
        { "one tick before the delay still waits", 8, [4], 100, "1@99", 0, default, Now + 1 },
        { "the oldest counts wherever it stands", 8, [4], 100, "1@5 1@100", 2, BatchCutReason.DelayReached, 0 },
        { "a preferred size need not wait", 8, [2, 8], 100, "1@1 1@1 1@1", 2, BatchCutReason.SizeReached, 0 },
        { "the larger of two reached preferred sizes", 8, [2, 4, 8], 100, "1@1 1@1 2@1 1@1", 3, BatchCutReason.SizeReached, 0 },
        { "between preferred sizes waits", 8, [4, 8], 100, "3@1 3@1", 0, default, Now - 1 + 100 },
        { "preferred sizes past the maximum do not count", 8, [16], 100, "4@1 4@1", 2, BatchCutReason.SizeReached, 0 },
        { "without preferred sizes the maximum is it", 4, [], 100, "2@1 1@1", 0, default, Now - 1 + 100 },
        { "full is full", 4, [], 100, "2@1 2@1 1@1", 2, BatchCutReason.SizeReached, 0 },
        { "one request as large as a batch", 4, [2], 100, "4@0", 1, BatchCutReason.SizeReached, 0 },
        { "what does not fit any more closes", 4, [], 100, "3@1 2@1", 1, BatchCutReason.WouldOverflow, 0 },
        { "another shape closes", 8, [], 100, "1@1 1@1 1x@1 1@1", 2, BatchCutReason.ShapeChanged, 0 },
        { "another shape closes without a delay too", 8, [], 0, "1@1 1x@1", 1, BatchCutReason.ShapeChanged, 0 },
        { "requests without rows go along", 8, [], 0, "0@1 0@1 1@1", 3, BatchCutReason.InstanceFree, 0 },
    };

    [Theory]
    [MemberData(nameof(Table))]
    public void Decide_QueueOfTheTable_DoesAsTheSpecSays(
        string sentence, int maxRows, int[] preferred, long delay, string queue, int take, BatchCutReason reason, long waitUntil)
    {
        var policy = new BatchPolicy(maxRows, preferred, delay);
        var walk = new Walk(queue);
        Assert.Equal((sentence, new BatchDecision(take, reason, waitUntil)), (sentence, policy.Decide(ref walk, Now)));
    }

    [Theory]
    [InlineData(new int[0], 8)]
    [InlineData(new[] { 6, 4 }, 4)]
    [InlineData(new[] { 16 }, 8)]
    public void SmallestPreferred_IsTheLeastThatClosesWithoutTime(int[] preferred, int expected) =>
        Assert.Equal(expected, new BatchPolicy(8, preferred, 1).SmallestPreferred);

    private sealed class Walk(string queue) : IQueueWalk
    {
        private readonly Queue<string> _rest = new(queue.Split(' ', StringSplitOptions.RemoveEmptyEntries));

        public bool TryNext(out WaitingRequest next)
        {
            next = default;
            if (!_rest.TryDequeue(out var text))
                return false;
            var parts = text.Split('@');
            var rows = int.Parse(parts[0].TrimEnd('x'), CultureInfo.InvariantCulture);
            next = new WaitingRequest(rows, Now - long.Parse(parts[1], CultureInfo.InvariantCulture), !parts[0].EndsWith('x'));
            return true;
        }
    }
}
