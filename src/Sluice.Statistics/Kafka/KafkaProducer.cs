using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Sluice.Statistics.Kafka;

/// <summary>Sends messages to the brokers of one address; a thread of its own hears what became of them.</summary>
/// <remarks>
/// <para>Each message is sent until a broker confirms it or its time is over; the broker knows repetitions, so that none counts twice.</para>
/// <para><b>Threads.</b> <see cref="Send"/> from one at a time; callbacks come on the producer's own thread.</para>
/// </remarks>
internal sealed unsafe class KafkaProducer : IDisposable
{
    private const int ErrorBytes = 512;
    private const int ProducerType = 0;
    private const int PollMilliseconds = 100;

    private static readonly (string Name, string Value)[] Defaults =
    [
        ("client.id", "sluice"),
        ("compression.codec", "lz4"),
        ("enable.idempotence", "true"),
        ("acks", "all"),
        ("linger.ms", "20"),
        ("message.timeout.ms", "60000"),
        ("queue.buffering.max.kbytes", "65536"),
        ("reconnect.backoff.max.ms", "2000"),
        ("socket.keepalive.enable", "true"),
    ];

    private readonly string _server;
    private readonly ILogger _logger;
    private readonly GCHandle _self;
    private readonly RdKafka.ProducerHandle _handle;
    private readonly nint _topic;
    private readonly Thread _thread;
    private volatile bool _isDisposed;
    private volatile bool _isLost = true;
    private bool _hasToldLost;
    private long _delivered;
    private long _dropped;
    private long _waiting;

    /// <summary>Creates a producer; brokers are looked for in the background.</summary>
    /// <exception cref="DllNotFoundException">librdkafka is not installed.</exception>
    /// <exception cref="FormatException">A setting is wrong; the message has the library's words.</exception>
    public KafkaProducer(string server, KafkaOptions options, ILogger logger)
    {
        _server = server;
        _logger = logger;
        var configuration = RdKafka.CreateConfiguration();
        _self = GCHandle.Alloc(this);
        try
        {
            foreach (var (name, value) in Defaults.Concat(options.Settings).Append(("bootstrap.servers", server)))
                Set(configuration, name, value);
            RdKafka.SetOpaque(configuration, GCHandle.ToIntPtr(_self));
            RdKafka.SetDeliveryCallback(configuration, &OnDelivery);
            RdKafka.SetErrorCallback(configuration, &OnError);
            RdKafka.SetLogCallback(configuration, &OnLog);
            var error = stackalloc byte[ErrorBytes];
            _handle = RdKafka.Create(ProducerType, configuration, error, ErrorBytes);
            if (_handle.IsInvalid)
                throw new FormatException(Marshal.PtrToStringUTF8((nint)error));
        }
        catch
        {
            RdKafka.DestroyConfiguration(configuration);
            _self.Free();
            throw;
        }

        _topic = RdKafka.CreateTopic(_handle, options.Topic, 0);
        _thread = new Thread(Run) { IsBackground = true, Name = "kafka" };
        _thread.Start();
    }

    /// <summary>What became of records.</summary>
    public KafkaFigures Figures => new(
        Interlocked.Read(ref _delivered), Interlocked.Read(ref _dropped), Interlocked.Read(ref _waiting));

    /// <summary>The producer is of no more use.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>Gives a message to the sender; never waits.</summary>
    /// <param name="key">The endpoint.</param>
    /// <param name="message">Copied.</param>
    /// <param name="recordCount">Records in it.</param>
    public void Send(string key, ReadOnlySpan<byte> message, int recordCount)
    {
        Span<byte> utf8 = stackalloc byte[ErrorBytes];
        utf8 = Encoding.UTF8.TryGetBytes(key, utf8, out var length) ? utf8[..length] : Encoding.UTF8.GetBytes(key);
        Interlocked.Add(ref _waiting, recordCount);
        fixed (byte* bytes = message, keyBytes = utf8)
        {
            if (RdKafka.Produce(
                _topic, RdKafka.AnyPartition, RdKafka.CopyFlag, bytes, (nuint)message.Length, keyBytes, (nuint)utf8.Length, recordCount) == 0)
                return;
        }

        IsBroken |= RdKafka.LastError() == RdKafka.Fatal;
        Interlocked.Add(ref _waiting, -recordCount);
        Interlocked.Add(ref _dropped, recordCount);
    }

    /// <summary>Nothing is on its way any more.</summary>
    public bool IsEmpty => RdKafka.QueueLength(_handle) == 0;

    /// <summary>Gives up what is on its way; it is counted as dropped a little later.</summary>
    public void Abandon() => _ = RdKafka.Purge(_handle, RdKafka.PurgeAll);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_isDisposed)
            return;
        _isDisposed = true;
        _thread.Join();
        RdKafka.DestroyTopic(_topic);
        _handle.Dispose();
        _self.Free();
    }

    private static void Set(nint configuration, string name, string value)
    {
        var error = stackalloc byte[ErrorBytes];
        if (RdKafka.Set(configuration, name, value, error, ErrorBytes) != 0)
            throw new FormatException($"{name}={value}: {Marshal.PtrToStringUTF8((nint)error)}");
    }

    [UnmanagedCallersOnly]
    private static void OnDelivery(nint producer, RdKafka.Message* message, nint opaque) =>
        Find(opaque)?.Deliver(message->Error, message->Opaque);

    [UnmanagedCallersOnly]
    private static void OnError(nint producer, int error, byte* reason, nint opaque) =>
        Find(opaque)?.Tell(error, Marshal.PtrToStringUTF8((nint)reason) ?? "");

    /// <summary>The library would write to standard error.</summary>
    [UnmanagedCallersOnly]
    private static void OnLog(nint producer, int level, byte* facility, byte* text)
    {
    }

    private static KafkaProducer? Find(nint opaque) => GCHandle.FromIntPtr(opaque).Target as KafkaProducer;

    private void Run()
    {
        while (!_isDisposed)
            _ = RdKafka.Poll(_handle, PollMilliseconds);
    }

    private void Deliver(int error, nint recordCount)
    {
        Interlocked.Add(ref _waiting, -recordCount);
        Interlocked.Add(ref error == 0 ? ref _delivered : ref _dropped, recordCount);
        if (error != 0 || !_isLost)
            return;
        _isLost = _hasToldLost = false;
        KafkaLog.Reached(_logger, _server);
    }

    private void Tell(int error, string reason)
    {
        KafkaLog.Detail(_logger, _server, reason);
        if (error == RdKafka.Fatal)
            IsBroken = true;
        if (error is not (RdKafka.AllBrokersDown or RdKafka.Fatal) || _hasToldLost)
            return;
        _isLost = _hasToldLost = true;
        KafkaLog.Unreachable(_logger, _server, reason);
    }
}
