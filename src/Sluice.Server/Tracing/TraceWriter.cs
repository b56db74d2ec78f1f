using System.Buffers;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Sluice.Inference;

namespace Sluice.Server.Tracing;

/// <summary>Takes finished traces from requests and writes them from one background task.</summary>
/// <remarks>
/// <para>The queue is bounded: a disk or a collector that is too slow costs traces, never requests.</para>
/// <para><b>Threads.</b> Any number of callers of <see cref="Take"/> and <see cref="Close"/>.</para>
/// </remarks>
public sealed class TraceWriter : ITraceSink, IAsyncDisposable
{
    private const int MostWaiting = 1024;

    /// <summary>Traces of a numbered file are written before they take more memory than this.</summary>
    private const int MostBatchBytes = 16 * 1024 * 1024;

    private readonly Channel<object> _queue = Channel.CreateBounded<object>(
        new BoundedChannelOptions(MostWaiting) { SingleReader = true });

    private readonly Dictionary<TraceSetting, Batch> _batches = [];
    private readonly TraceFile _file;
    private readonly Lazy<OpenTelemetryExport> _export;
    private readonly ILogger _logger;
    private readonly Task _writing;
    private long _droppedCount;
    private bool _hasFailed;

    /// <summary>Begins to wait for traces; no file and no connection is opened before the first.</summary>
    public TraceWriter(TraceOptions options, ILogger<TraceWriter> logger)
    {
        _file = new TraceFile(options.File);
        _export = new Lazy<OpenTelemetryExport>(() => new OpenTelemetryExport(options.OpenTelemetry));
        _logger = logger;
        _writing = Task.Run(WriteAllAsync);
    }

    /// <summary>Traces that found the queue full.</summary>
    public long DroppedCount => Volatile.Read(ref _droppedCount);

    /// <inheritdoc/>
    public void Take(RequestTrace trace)
    {
        if (!_queue.Writer.TryWrite(trace))
            Interlocked.Increment(ref _droppedCount);
    }

    /// <summary>Writes what has been collected under a setting that another one has replaced.</summary>
    /// <remarks>When the queue is full its traces leave with the next of them, or at the end.</remarks>
    public void Close(TraceSetting setting) => _queue.Writer.TryWrite(setting);

    /// <summary>Writes everything that was taken so far.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_queue.Writer.TryComplete())
            return;
        await _writing.ConfigureAwait(false);
        _file.Dispose();
        if (_export.IsValueCreated)
            _export.Value.Dispose();
    }

    private async Task WriteAllAsync()
    {
        while (await _queue.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            while (_queue.Reader.TryRead(out var item))
                Guard(() => Handle(item));
            Guard(AppendAll);
        }

        foreach (var setting in _batches.Keys.ToList())
            Guard(() => Empty(setting));
    }

    private void Handle(object item)
    {
        if (item is TraceSetting closed)
        {
            Empty(closed);
            return;
        }

        var trace = (RequestTrace)item;
        var setting = (TraceSetting)trace.Setting!;
        if (setting.Options.Mode == TraceMode.OpenTelemetry)
        {
            _export.Value.Export(trace);
            return;
        }

        if (!_batches.TryGetValue(setting, out var batch))
            _batches[setting] = batch = new Batch();
        batch.Add(trace);
        var isFull = setting.Options.LogFrequency > 0 && batch.Count >= setting.Options.LogFrequency;
        var isLast = setting.Left == 0 && batch.Total == setting.Sampled;
        if (isFull || isLast || batch.Objects.WrittenCount > MostBatchBytes)
            Write(batch, isNumbered: isFull || isLast || IsNumbered(setting));
        if (setting.IsClosed)
            Empty(setting);
    }

    /// <summary>Traces that are to stand in numbered files wait until there are enough of them.</summary>
    private static bool IsNumbered(TraceSetting setting) => setting.Options.LogFrequency > 0;

    private static bool MustWait(TraceSetting setting) => IsNumbered(setting) || setting.Options.Count >= 0;

    private void AppendAll()
    {
        foreach (var (setting, batch) in _batches)
        {
            if (!MustWait(setting))
                Write(batch, isNumbered: false);
        }
    }

    private void Empty(TraceSetting setting)
    {
        if (_batches.Remove(setting, out var batch))
            Write(batch, IsNumbered(setting));
    }

    private void Write(Batch batch, bool isNumbered)
    {
        if (batch.Count == 0)
            return;
        try
        {
            if (isNumbered)
                _file.WriteNumbered(batch.Objects.WrittenSpan);
            else
                _file.Append(batch.Objects.WrittenSpan);
        }
        finally
        {
            batch.Clear();
        }
    }

    /// <summary>A trace that cannot be written is told once and costs nothing else.</summary>
    private void Guard(Action write)
    {
        try
        {
            write();
        }
        catch (Exception error)
        {
            if (!_hasFailed)
                ServerLog.TraceFailed(_logger, error);
            _hasFailed = true;
        }
    }

    private sealed class Batch
    {
        public ArrayBufferWriter<byte> Objects { get; } = new();

        public int Count { get; private set; }

        /// <summary>Traces so far, written ones too.</summary>
        public long Total { get; private set; }

        public void Add(RequestTrace trace)
        {
            if (Count > 0)
                Objects.Write(","u8);
            TraceJson.Write(Objects, trace);
            Count++;
            Total++;
        }

        public void Clear()
        {
            Objects.ResetWrittenCount();
            Count = 0;
        }
    }
}
