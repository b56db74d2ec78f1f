using Sluice.Http2.Connection;
using Sluice.Testing;

namespace Sluice.Http2.Tests.Frames;

/// <summary>Pings that come too soon after each other, and our own.</summary>
public sealed class PingTests
{
    private static readonly Http2Limits Strict = new() { MaxPingStrikes = 2, MinPingInterval = TimeSpan.FromSeconds(10) };

    [Theory]
    [InlineData("with calls, at the interval", true, null, 10, 5, true)]
    [InlineData("with calls, too soon: two strikes are forgiven", true, null, 9, 3, true)]
    [InlineData("with calls, too soon for the third time", true, null, 9, 4, false)]
    [InlineData("without calls, at the interval that needs calls", false, null, 10, 4, false)]
    [InlineData("without calls, permitted", false, true, 10, 9, true)]
    [InlineData("without calls, every two hours", false, false, 7200, 9, true)]
    public void Strikes_CountPingsThatComeTooSoon(string _, bool hasCalls, bool? permits, int seconds, int count, bool isTaken)
    {
        var time = new ManualTimeProvider();
        var strikes = new PingStrikes(Strict with { PermitsPingsWithoutCalls = permits }, time);
        var last = true;
        for (var i = 0; i < count; i++)
        {
            Assert.True(last);
            last = strikes.TryTake(workCount: 0, hasCalls);
            time.Advance(TimeSpan.FromSeconds(seconds));
        }

        Assert.Equal(isTaken, last);
    }

    [Fact]
    public void Strikes_AreForgivenByAnAnswer()
    {
        var strikes = new PingStrikes(Strict, new ManualTimeProvider());
        for (var i = 0; i < 100; i++)
            Assert.True(strikes.TryTake(workCount: i / 3, hasCalls: false));
        Assert.True(new[] { 0, 0, 0, 0 }.Select(work => strikes.TryTake(work, hasCalls: true)).Take(3).All(taken => taken));
    }

    [Theory]
    [InlineData(0, null, false, 3)]
    [InlineData(2, null, false, 2)]
    [InlineData(0, false, false, 0)]
    [InlineData(0, false, true, 3)]
    [InlineData(1, true, false, 1)]
    public void OurPings_AreBoundedAsConfigured(int most, bool? permits, bool hasCalls, int expected)
    {
        var time = new ManualTimeProvider();
        var limits = new Http2Limits { KeepAliveTime = TimeSpan.FromSeconds(1), MaxPingsWithoutData = most, PermitsPingsWithoutCalls = permits };
        time.Advance(TimeSpan.FromSeconds(1));
        var patience = new Patience(limits, time);
        var sent = 0;
        for (var i = 0; i < 3; i++)
        {
            patience.IsPingDue(workCount: 0, hasCalls);
            time.Advance(TimeSpan.FromSeconds(2));
            if (patience.IsPingDue(workCount: 0, hasCalls))
                sent++;
            patience.HasReceived();
        }

        Assert.Equal(expected, sent);
        patience.IsPingDue(workCount: 1, hasCalls: true);
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.True(patience.IsPingDue(workCount: 1, hasCalls: true));
    }

    [Theory]
    [MemberData(nameof(Transports.Own), MemberType = typeof(Transports))]
    public async Task PeerThatPingsTooOften_IsSentAwayWithTheReason(Transport transport)
    {
        await using var server = await TestServer.StartAsync(transport, Strict with { MinPingInterval = TimeSpan.FromHours(1) });
        await using var client = await FrameClient.ConnectAsync(server);
        for (var i = 0; i < 4; i++)
            await client.SendAsync(FrameType.Ping, FrameFlags.None, 0, 0, 0, 0, 0, 0, 0, 0, (byte)i);
        for (byte i = 0; i < 3; i++)
        {
            var expected = i;
            await client.NextAsync(f => f.Type == FrameType.Ping && f.Payload[7] == expected);
        }

        var goAway = await client.NextAsync(f => f.Type == FrameType.GoAway);
        Assert.Equal((int)Http2ErrorCode.EnhanceYourCalm, goAway.Number(4));
        Assert.Equal("too_many_pings"u8, goAway.Payload.AsSpan(8));
    }
}
