namespace Sluice.Testing;

/// <summary>A clock whose date stands until it is set; timers and time stamps run as ever.</summary>
public sealed class SetTimeProvider : TimeProvider
{
    /// <summary>The date. Default a moment at which intervals of 40 s, 5 minutes and an hour begin.</summary>
    public DateTimeOffset Now { get; set; } = new(2026, 3, 2, 10, 0, 0, TimeSpan.Zero);

    public override DateTimeOffset GetUtcNow() => Now;
}
