using System.Collections.Immutable;
using Sluice.Control.Canaries;

namespace Sluice.Control.Tests.Canaries;

public sealed class CanaryDrawTests
{
    private static readonly ImmutableArray<CanaryArm> Arms = [new("m/3", 0.1), new("m/2", 0), new("m/1", 0.9)];

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0.0999, 0)]
    [InlineData(0.1001, 2)]
    [InlineData(0.9999999999, 2)]
    [InlineData(1, 2)]
    public void Draw_FallsIntoTheArmOfItsShare(double draw, int arm) => Assert.Equal(arm, CanaryDraw.Pick(Arms, draw));

    [Fact]
    public void Stick_SpreadsKeysByShare_WithinThreeSigma()
    {
        const int Count = 20_000;
        var first = Enumerable.Range(0, Count).Count(i => CanaryDraw.Stick(Arms, "c", $"user-{i}") == 0);
        Assert.InRange(first, Expected(0.1) - Sigmas(0.1), Expected(0.1) + Sigmas(0.1));

        static double Expected(double share) => Count * share;
        static double Sigmas(double share) => 3 * Math.Sqrt(Count * share * (1 - share));
    }

    [Fact]
    public void Stick_NewArm_MovesOnlyThoseItTakes()
    {
        ImmutableArray<CanaryArm> before = [new("m/2", 0.5), new("m/1", 0.5)];
        ImmutableArray<CanaryArm> after = [new("m/3", 1.0 / 3), new("m/2", 1.0 / 3), new("m/1", 1.0 / 3)];
        var moved = 0;
        for (var i = 0; i < 3000; i++)
        {
            var (old, now) = (before[CanaryDraw.Stick(before, "c", $"{i}")].Key, after[CanaryDraw.Stick(after, "c", $"{i}")].Key);
            Assert.True(now == old || now == "m/3", $"{i}: {old} to {now}");
            moved += now == old ? 0 : 1;
        }

        Assert.InRange(moved, 900, 1100);
    }

    [Fact]
    public void Stick_SameKey_HasTheSameArmAlways() =>
        Assert.Single(Enumerable.Range(0, 100).Select(_ => CanaryDraw.Stick(Arms, "c", "someone")).Distinct());
}
