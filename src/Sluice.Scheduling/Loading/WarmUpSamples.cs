using System.Buffers;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Sluice.Inference;
using Sluice.Scheduling.Decoupled;
using Sluice.Scheduling.Dynamic;
using Sluice.Scheduling.Sequences;
using Sluice.Scheduling.Timing;
using Sluice.Tensors;

namespace Sluice.Scheduling.Loading;

/// <summary>Runs the samples of a configuration's <c>model_warmup</c> (spec §3.1) on every instance before the model is ready.</summary>
/// <remarks>
/// <para>Each instance is lent to a scheduler of its own for the time, so that none is left out and nothing is counted.</para>
/// <para>A sample of a model with sequences is one sequence for each row, of one step that has START, READY and END. Controls and states
/// that it lists must have the model's types; their values come from the scheduler.</para>
/// </remarks>
internal sealed class WarmUpSamples(
    ModelSettings settings, TensorBufferPool pool, SchedulerOptions options, IDelayTimer timer, ILogger logger)
{
    private const string Folder = "warmup";

    // The test hooks hold clients' requests, not these.
    private readonly SchedulerOptions _options = options with { HoldUntilQueued = 0, HoldUntilBacklogged = 0 };
    private readonly ModelSettings _engine = settings.ForEngine();

    /// <summary>Runs all samples on all instances.</summary>
    /// <param name="model">The opened model.</param>
    /// <param name="instances">Its instances; neither is disposed.</param>
    /// <param name="cancellationToken">The server is stopping.</param>
    /// <exception cref="InferenceException">A sample fails; the message names it.</exception>
    public async Task RunAsync(IBackendModel model, IEnumerable<IModelInstance> instances, CancellationToken cancellationToken)
    {
        if (settings.WarmUp.IsEmpty)
            return;
        foreach (var instance in instances)
        {
            var lent = LentInstance.Of(instance);
            IServable scheduler = settings.Sequence is not null
                ? new SequenceBatcher(settings, new LentModel(model), [lent], pool, _options, timer, logger)
                : settings.IsDecoupled || lent is IStreamingInstance
                    ? new DecoupledScheduler(settings, new LentModel(model), [lent], pool, _options, timer, logger)
                    : new DynamicBatcher(settings, new LentModel(model), [lent], pool, _options, timer, logger);
            await using (scheduler.ConfigureAwait(false))
                await RunAsync(scheduler, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Runs all samples on a scheduler.</summary>
    public async Task RunAsync(IServable scheduler, CancellationToken cancellationToken)
    {
        foreach (var sample in settings.WarmUp)
        {
            for (var run = 0; run < sample.RunCount; run++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                await RunAsync(scheduler, sample).ConfigureAwait(false);
            }
        }
    }

    private async Task RunAsync(IServable scheduler, WarmUpSettings sample)
    {
        try
        {
            if (scheduler is SequenceBatcher batcher)
                await RunAsync(batcher, sample).ConfigureAwait(false);
            else
                await RunAsync(scheduler, sample, sample.RowCount).ConfigureAwait(false);
        }
        catch (InferenceException error)
        {
            throw new InferenceException(
                error.Code, $"warm-up sample '{sample.Name}' of model '{settings.Name}' failed: {error.Message}", error);
        }
    }

    /// <summary>Runs a sequence for each row, in batches of as many as there are slots.</summary>
    private async Task RunAsync(SequenceBatcher batcher, WarmUpSettings sample)
    {
        if (sample.RowCount > Math.Max(1, settings.MaxBatchSize))
            throw InferenceException.Invalid($"its batch-size {sample.RowCount} must be <= {settings.MaxBatchSize}");
        for (var first = 1; first <= sample.RowCount; first += batcher.SlotsEach)
        {
            var ids = Enumerable.Range(first, Math.Min(batcher.SlotsEach, sample.RowCount - first + 1));
            batcher.HoldBack();
            var runs = ids.Select(id => RunAsync(batcher, sample, rowCount: 1, id)).ToArray();
            batcher.LetGo();
            await Task.WhenAll(runs).ConfigureAwait(false);
        }
    }

    private async Task RunAsync(IServable scheduler, WarmUpSettings sample, int rowCount, int sequence = 0)
    {
        var request = new InferRequest();
        var responses = new DroppedResponses();
        try
        {
            foreach (var input in sample.Inputs)
            {
                if (!IsHidden(input))
                    Add(request, input, rowCount);
            }

            if (settings.Sequence is not null)
                BeginSequence(request, settings.Sequence, sequence);
            request.Sink = settings.IsDecoupled ? responses : null;
            RequestBinder.Bind(request, settings);
            await scheduler.ExecuteAsync(request).ConfigureAwait(false);
            if (!request.IsOk || responses.Failure.Length > 0)
                throw new InferenceException(
                    request.IsOk ? InferenceCode.Internal : request.Status, request.IsOk ? responses.Failure : request.StatusMessage);
        }
        finally
        {
            request.Reset();
        }
    }

    /// <summary>Makes a sequence of the request, with an id of the type that the model wants to see.</summary>
    private static void BeginSequence(InferRequest request, SequenceSettings sequence, int id)
    {
        request.IsSequenceStart = request.IsSequenceEnd = true;
        if (sequence.Controls.Any(control => control is { Kind: ControlKind.CorrelationId, DataType: DataType.Bytes }))
            request.SequenceName = request.AddText(System.Text.Encoding.UTF8.GetBytes(id.ToString(CultureInfo.InvariantCulture)));
        else
            request.SequenceId = (ulong)id;
    }

    /// <summary>Tells whether the scheduler and not a client gives the model an input.</summary>
    private bool IsHidden(WarmUpInput sample)
    {
        var index = EngineSettings.IndexOf(_engine.Inputs, sample.Name);
        if (index < settings.Inputs.Length)
            return false;
        var expected = _engine.Inputs[index].DataType;
        if (sample.DataType != expected)
            throw InferenceException.Invalid(
                $"inference input '{sample.Name}' data-type is '{sample.DataType.WireName()}', but model '{settings.Name}' expects '{expected.WireName()}'");
        return true;
    }

    private void Add(InferRequest request, WarmUpInput sample, int rowCount)
    {
        var isBatched = settings.MaxBatchSize > 0 &&
            settings.Inputs.FirstOrDefault(input => input.Name == sample.Name) is not { IsShapeTensor: true };
        var row = Shape.Create(sample.Dims);
        var bytes = Read(sample, row);
        var data = new ArrayBufferWriter<byte>();
        for (var i = 0; i < (isBatched ? rowCount : 1); i++)
            data.Write(bytes);
        Add(request, System.Text.Encoding.UTF8.GetBytes(sample.Name), sample.DataType, isBatched ? row.Prepend(rowCount) : row, data.WrittenMemory);
    }

    /// <summary>Adds an input to a request.</summary>
    public static void Add(InferRequest request, byte[] name, DataType type, in Shape shape, ReadOnlyMemory<byte> data)
    {
        ref var input = ref request.AddInput();
        input.Name = request.AddText(name);
        input.DataType = type;
        input.Shape = shape;
        input.Data = new ReadOnlySequence<byte>(data);
        input.HasData = true;
    }

    private byte[] Read(WarmUpInput sample, in Shape row)
    {
        if (sample.Source == WarmUpSource.File)
            return ReadFile(sample.Filename);
        if (!row.TryGetElementCount(out var count) || count > 1 << 26)
            throw InferenceException.Invalid($"input '{sample.Name}' has shape {row}, which is no shape of a sample");
        if (sample.Source == WarmUpSource.Zeros)
            return new byte[count * (sample.DataType == DataType.Bytes ? sizeof(int) : sample.DataType.ElementSize())];
        var data = new ArrayBufferWriter<byte>();
        var random = new Random(sample.Name.Length);
        for (long i = 0; i < count; i++)
            SampleRows.WriteElement(data, sample.DataType, random.NextSingle());
        return data.WrittenSpan.ToArray();
    }

    private byte[] ReadFile(string name)
    {
        try
        {
            return File.ReadAllBytes(Path.Combine(settings.ModelFolder, Folder, name));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new InferenceException(
                InferenceCode.InvalidArgument, $"file '{Folder}/{name}' cannot be read: {error.GetType().Name}", error);
        }
    }

    /// <summary>Takes a decoupled model's responses and keeps the first failure.</summary>
    private sealed class DroppedResponses : IResponseSink
    {
        public string Failure { get; private set; } = "";

        public void Begin(InferRequest request)
        {
        }

        public ValueTask WriteAsync(InferRequest request, ResponseKind kind)
        {
            if (!request.IsOk && Failure.Length == 0)
                Failure = request.StatusMessage;
            return ValueTask.CompletedTask;
        }
    }
}
