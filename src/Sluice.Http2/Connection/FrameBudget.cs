namespace Sluice.Http2.Connection;

/// <summary>Bounds how many frames that carry no work a peer may send: a leaky bucket.</summary>
/// <remarks>Answers rapid reset (CVE-2023-44487) and floods of PING, SETTINGS, PRIORITY, empty DATA and unknown frames
/// (CVE-2019-9512 to -9518).</remarks>
internal sealed class FrameBudget(int perSecond, TimeProvider time)
{
    private const int Burst = 10;

    private long _lastAt = time.GetTimestamp();
    private double _left = (double)perSecond * Burst;

    /// <summary>Counts one such frame.</summary>
    /// <returns>False when there were too many.</returns>
    public bool TrySpend()
    {
        if (_left < 1)
            Refill();
        return --_left >= 0;
    }

    private void Refill()
    {
        var now = time.GetTimestamp();
        var seconds = time.GetElapsedTime(_lastAt, now).TotalSeconds;
        _lastAt = now;
        _left = Math.Min((double)perSecond * Burst, Math.Max(0, _left) + (seconds * perSecond));
    }
}
