namespace Sluice.Scheduling.Decoupled;

/// <summary>Idle channels of one model.</summary>
/// <remarks><b>Threads.</b> Any.</remarks>
internal sealed class ChannelPool(IChannelOwner owner) : IDisposable
{
    private const int MostKept = 1024;

    private readonly Stack<ResponseChannel> _idle = new();

    public ResponseChannel Rent()
    {
        lock (_idle)
        {
            if (_idle.TryPop(out var channel))
                return channel;
        }

        return new ResponseChannel(owner);
    }

    public void Return(ResponseChannel channel)
    {
        lock (_idle)
        {
            if (_idle.Count < MostKept)
                _idle.Push(channel);
        }
    }

    public void Dispose()
    {
        foreach (var channel in _idle)
            channel.Dispose();
    }
}
