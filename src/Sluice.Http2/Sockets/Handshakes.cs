namespace Sluice.Http2.Sockets;

/// <summary>Bounds how many TLS handshakes go on at a time: one too many ends the oldest.</summary>
/// <remarks>The oldest has had the most time, so that peers that open connections and fall silent lock nobody out.
/// <para><b>Threads.</b> Any number.</para></remarks>
/// <param name="most">Most at a time.</param>
internal sealed class Handshakes(int most)
{
    private readonly LinkedList<CancellationTokenSource> _waiting = [];

    /// <summary>Begins one.</summary>
    /// <param name="limit">Cancelled when others need its place.</param>
    /// <returns>For <see cref="End"/>, which must follow.</returns>
    public LinkedListNode<CancellationTokenSource> Begin(CancellationTokenSource limit)
    {
        lock (_waiting)
        {
            var place = _waiting.AddLast(limit);
            if (_waiting.Count > most)
                _waiting.FirstOrDefault(other => !other.IsCancellationRequested)?.Cancel(); // It leaves the list at its end.
            return place;
        }
    }

    /// <summary>Ends one; its source may be disposed then.</summary>
    public void End(LinkedListNode<CancellationTokenSource> handshake)
    {
        lock (_waiting)
            _waiting.Remove(handshake);
    }
}
