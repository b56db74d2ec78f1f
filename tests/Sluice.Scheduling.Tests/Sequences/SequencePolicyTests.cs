using System.Globalization;
using Sluice.Inference;
using Sluice.Scheduling.Sequences;

namespace Sluice.Scheduling.Tests;

/// <summary>The sentences of spec §3.5 about slots and rows, one row each.</summary>
public sealed class SequencePolicyTests
{
    private const long Now = 1_000;
    private const long Never = long.MaxValue;

    /// <summary>Slots of two instances: <c>x</c> is taken, <c>.</c> is free; columns are instances.</summary>
    [Theory]
    [InlineData("the first slot of the first instance", "..", 0, 0)]
    [InlineData("then the first slot of the second instance", "x. ..", 1, 1)]
    [InlineData("second slots come after all first ones", "xx ..", 2, 0)]
    [InlineData("a slot that came free is used again", "x. xx", 1, 1)]
    [InlineData("no slot is left", "xx xx", -1, 0)]
    public void Choose_SlotsOfTheTable_TakesTheLowest(string sentence, string slots, int slot, int instance)
    {
        bool[] isTaken = [.. slots.Replace(" ", "", StringComparison.Ordinal).Select(c => c == 'x')];
        Assert.Equal((sentence, slot), (sentence, SlotPolicy.Choose(isTaken)));
        if (slot >= 0)
            Assert.Equal(instance, SlotPolicy.InstanceOf(slot, 2));
    }

    /// <summary>Sequences keep their slots for 100 ticks; those of the table began so long ago.</summary>
    [Theory]
    [InlineData("the only slot is about to be free", "70", 0, 30)]
    [InlineData("others wait before", "70", 2, 230)]
    [InlineData("one that lasts longer than usual is as good as over", "500", 0, 1)]
    [InlineData("the oldest of several ends first", "20 60 40 0", 0, 40)]
    [InlineData("then one after the other", "20 60 40 0", 2, 90)]
    public void PredictWait_SlotsOfTheTable_ByHowLongTheyAreUsuallyTaken(string sentence, string ages, int ahead, long wait)
    {
        long[] since = [.. ages.Split(' ').Select(age => Now - long.Parse(age, CultureInfo.InvariantCulture))];
        var slots = new SequenceSlots(1, since.Length);
        Assert.Equal(0, slots.PredictWait(ahead, Now));
        var former = new Sequence(0);
        slots.Give(former, 0, Now - 100);
        slots.Free(former, Now);
        for (var i = 0; i < since.Length; i++)
            slots.Give(new Sequence(0), i, since[i]);
        Assert.Equal((sentence, wait), (sentence, slots.PredictWait(ahead, Now)));
    }

    [Fact]
    public void PredictWait_InstanceThatGoes_ItsSlotsDoNotCount()
    {
        var slots = new SequenceSlots(2, 1);
        var former = new Sequence(0);
        slots.Give(former, 0, Now - 100);
        slots.Free(former, Now);
        slots.Give(new Sequence(0), 0, Now - 70);
        slots.Give(new Sequence(0), 1, Now - 20);
        Assert.Equal(80, slots.PredictWait(1, Now));
        slots.Close(0);
        Assert.Equal(180, slots.PredictWait(1, Now));
    }

    /// <summary>Slots are the age of their request, <c>-</c> where there is none; an <c>x</c> marks another shape.</summary>
    public static TheoryData<string, string, long, float, int, BatchCutReason, long> Rows => new()
    {
        { "nothing waits", "- - -", 0, 0, 0, default, Never },
        { "one row", "5 - -", 0, 0, 1, BatchCutReason.InstanceFree, 0 },
        { "rows before the last ready one are filled", "- - 5", 0, 0, 3, BatchCutReason.InstanceFree, 0 },
        { "rows behind it are not", "- 5 -", 0, 0, 2, BatchCutReason.InstanceFree, 0 },
        { "a delay alone means nothing", "5 - -", 100, 0, 1, BatchCutReason.InstanceFree, 0 },
        { "a share alone means nothing", "5 - -", 0, 1, 1, BatchCutReason.InstanceFree, 0 },
        { "below the share waits", "5 - -", 100, 0.5f, 0, default, Now - 5 + 100 },
        { "at the share goes", "5 4 - -", 100, 0.5f, 2, BatchCutReason.SizeReached, 0 },
        { "waits no longer than the delay", "- 100 -", 100, 1, 2, BatchCutReason.DelayReached, 0 },
        { "one tick before the delay still waits", "99 - -", 100, 1, 0, default, Now + 1 },
        { "the oldest counts wherever it stands", "5 100 -", 100, 1, 2, BatchCutReason.DelayReached, 0 },
        { "all rows ready", "1 1 1", 100, 1, 3, BatchCutReason.SizeReached, 0 },
        { "another shape is not taken", "5 4x", 0, 0, 1, BatchCutReason.InstanceFree, 0 },
        { "another shape is filled between", "4x 4x 5", 0, 0, 3, BatchCutReason.InstanceFree, 0 },
        { "another shape counts as ready", "5 4x", 100, 1, 1, BatchCutReason.SizeReached, 0 },
    };

    [Theory]
    [MemberData(nameof(Rows))]
    public void Decide_RowsOfTheTable_DoesAsTheSpecSays(
        string sentence, string slots, long delay, float utilization, int rows, BatchCutReason reason, long waitUntil)
    {
        SlotSnapshot[] snapshot = [.. slots.Split(' ').Select(Parse)];
        var decision = new DirectPolicy(delay, utilization).Decide(snapshot, Now);
        Assert.Equal((sentence, new DirectDecision(rows, reason, waitUntil)), (sentence, decision));
    }

    private static SlotSnapshot Parse(string slot) => slot == "-"
        ? new SlotSnapshot(Never, false)
        : new SlotSnapshot(Now - long.Parse(slot.TrimEnd('x'), CultureInfo.InvariantCulture), !slot.EndsWith('x'));
}
