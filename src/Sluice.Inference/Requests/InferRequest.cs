using System.Buffers;
using System.Text;
using System.Threading.Tasks.Sources;

namespace Sluice.Inference;

/// <summary>One inference on its way through the server, with its response at the end; pooled and reused.</summary>
/// <remarks>
/// <para><b>Ownership.</b> The front end owns it. Between <see cref="IInferenceEngine.InferAsync"/> and the end of that task
/// the core may read and write it; before and after only the front end does.</para>
/// <para><b>Memory.</b> Names and ids live in one text store, tensors in arrays that are kept, so a reused request
/// allocates nothing.</para>
/// </remarks>
public sealed partial class InferRequest : IValueTaskSource
{
    /// <summary>Most inputs, requested outputs, raw contents or parameters of one request, each.</summary>
    /// <remarks>Two bytes of message make an entry of a hundred or more, so the count is bounded apart from the message.</remarks>
    public const int MaxItems = 4096;

    private const int KeptTextBytes = 16 * 1024;
    private const int KeptItems = 64;

    private byte[] _text = new byte[256];
    private int _textLength;
    private InputTensor[] _inputs = new InputTensor[4];
    private ReadOnlySequence<byte>[] _blobs = new ReadOnlySequence<byte>[4];
    private RequestedOutput[] _requested = new RequestedOutput[4];
    private RequestParameter[] _parameters = [];
    private OutputTensor[] _outputs = new OutputTensor[4];
    private RequestPlacement? _placement;
    private int[] _inputByIndex = new int[4];
    private ExecutionBatch? _batch;
    private ManualResetValueTaskSourceCore<bool> _completion;

    /// <summary>Name of the model.</summary>
    public Utf8Slice ModelName { get; set; }

    /// <summary>Version asked for; empty = the highest ready one.</summary>
    public Utf8Slice ModelVersion { get; set; }

    /// <summary>The model that runs it whatever <see cref="ModelName"/> stands for by now; null = the one of that name.</summary>
    public IModelReference? Model { get; set; }

    /// <summary>The client's id of the request, echoed; may be empty.</summary>
    public Utf8Slice Id { get; set; }

    /// <summary>Number of <see cref="Inputs"/>.</summary>
    public int InputCount { get; private set; }

    /// <summary>Number of <see cref="Blobs"/>.</summary>
    public int BlobCount { get; private set; }

    /// <summary>Number of <see cref="RequestedOutputs"/>; 0 = all outputs.</summary>
    public int RequestedOutputCount { get; private set; }

    /// <summary>Number of <see cref="Parameters"/>.</summary>
    public int ParameterCount { get; private set; }

    /// <summary>Number of <see cref="Outputs"/>.</summary>
    public int OutputCount { get; private set; }

    /// <summary>1 is the most urgent; 0 = the model's default.</summary>
    public ulong Priority { get; set; }

    /// <summary>The client's <c>timeout</c> parameter in microseconds; 0 = none.</summary>
    public long TimeoutMicroseconds { get; set; }

    /// <summary>The sequence's number when the client used one; 0 = none.</summary>
    public ulong SequenceId { get; set; }

    /// <summary>The sequence's name when the client used text.</summary>
    public Utf8Slice SequenceName { get; set; }

    /// <summary>First request of its sequence.</summary>
    public bool IsSequenceStart { get; set; }

    /// <summary>Last request of its sequence.</summary>
    public bool IsSequenceEnd { get; set; }

    /// <summary>Takes responses one by one; null = the front end takes the single one that stands here in the end.</summary>
    public IResponseSink? Sink { get; set; }

    /// <summary>What a decoupled model is refused with where there is no <see cref="Sink"/>; stays from use to use.</summary>
    public string DecoupledRefusal { get; init; } = "the call takes a single response, the model is decoupled";

    /// <summary>It is a step of something that is counted as a whole, such as a call of an endpoint; stays from use to use.</summary>
    public bool IsPart { get; init; }

    /// <summary>It failed before a scheduler took it: it is wrong in itself, or there was no room.</summary>
    public bool IsRefused { get; set; }

    /// <summary>The model failed it and chose the words.</summary>
    public bool HasModelFailed { get; set; }

    /// <summary>Streams: answer with an empty final message when the model ended without one.</summary>
    public bool WantsEmptyFinal { get; set; }

    /// <summary>HTTP: answer in the binary part unless an output says otherwise.</summary>
    public bool PrefersBinaryOutput { get; set; }

    /// <summary>Some tensor lies in shared memory, or some output is wanted as classes; see <see cref="TensorPlacement"/>.</summary>
    public bool NeedsPlacement { get; set; }

    /// <summary>Where in shared memory tensors lie, and buffers made for outputs; kept from use to use.</summary>
    public RequestPlacement Placement => _placement ??= new RequestPlacement();

    /// <summary>When the whole request had been received, in ticks of <see cref="System.Diagnostics.Stopwatch"/>.</summary>
    public long ReceivedAt { get; set; }

    /// <summary>When the request entered its queue, same clock.</summary>
    public long QueuedAt { get; set; }

    /// <summary>When the steps of its execution happened; set by the scheduler.</summary>
    public RequestTimes Times { get; set; }

    /// <summary>When the caller stops waiting, same clock; 0 = never.</summary>
    public long DeadlineAt { get; set; }

    /// <summary>The call that waits for the answer; null = nobody can cancel.</summary>
    public ICallLifetime? Lifetime { get; set; }

    /// <summary>What is noted of the request; null unless it was sampled. Leaves with <see cref="Reset"/>.</summary>
    public RequestTrace? Trace { get; set; }

    /// <summary>Counts of the endpoint that the request of a decoupled model belongs to; for the observer alone.</summary>
    public EndpointStatistics? Endpoint { get; set; }

    /// <summary>The request of a decoupled model is sampled; for the observer alone.</summary>
    public bool IsSampled { get; set; }

    /// <summary>The model that serves the request; set by the engine.</summary>
    public ModelSettings? Settings { get; set; }

    /// <summary>Rows of the batch dimension; 1 for models without one.</summary>
    public int RowCount { get; set; }

    /// <summary>How the request ended.</summary>
    public InferenceCode Status { get; private set; }

    /// <summary>Why it failed; empty on success.</summary>
    public string StatusMessage { get; private set; } = "";

    /// <summary>How the first failed response of a decoupled model failed, of those that have been written.</summary>
    public InferenceCode ResponseStatus { get; private set; }

    /// <summary>When another try of a refused request makes sense, milliseconds from now; 0 = nothing is known.</summary>
    public int RetryAfterMilliseconds { get; set; }

    /// <summary>See <see cref="ICallLifetime.ClientKey"/>.</summary>
    public int ClientKey => Lifetime?.ClientKey ?? 0;

    /// <summary>Links of the queue that holds the request; for the scheduler that owns it alone.</summary>
    public InferRequest? QueueNext { get; set; }

    /// <summary>See <see cref="QueueNext"/>.</summary>
    public InferRequest? QueuePrevious { get; set; }

    /// <summary>Its turn among its level's requests; for the scheduler alone.</summary>
    public long QueueRound { get; set; }

    /// <summary>Its time in the queue ran out and it went behind the others; for the scheduler alone.</summary>
    public bool IsDelayed { get; set; }

    /// <summary>The queue or the runner that holds the request, null when none does; for the scheduler alone.</summary>
    public object? QueueOwner { get; set; }

    /// <summary>The sequence that the request is a step of; for the scheduler alone.</summary>
    public object? Sequence { get; set; }

    /// <summary>The model wants to see the request once more before it answers; for the scheduler alone.</summary>
    public bool IsRescheduled { get; set; }

    /// <summary>Nobody waits for the answer any more; for the scheduler alone.</summary>
    public bool IsCancelled { get; set; }

    /// <summary>The end of its <see cref="Lifetime"/> will be noticed; for the scheduler alone.</summary>
    public bool IsWatched { get; set; }

    /// <summary>Called with the request when its <see cref="Lifetime"/> ends; for the scheduler alone.</summary>
    public Action<InferRequest>? OnCancelled { get; set; }

    /// <summary>The cancellation callback's registration; for the scheduler alone.</summary>
    public CancellationTokenRegistration QueueCancellation { get; set; }

    /// <summary>Inputs in the order in which they came.</summary>
    public Span<InputTensor> Inputs => _inputs.AsSpan(0, InputCount);

    /// <summary>Tensor data that came apart from its tensors (gRPC's raw contents), in order, until it is assigned.</summary>
    public ReadOnlySpan<ReadOnlySequence<byte>> Blobs => _blobs.AsSpan(0, BlobCount);

    /// <summary>Outputs that the client asked for.</summary>
    public Span<RequestedOutput> RequestedOutputs => _requested.AsSpan(0, RequestedOutputCount);

    /// <summary>Parameters for the model.</summary>
    public Span<RequestParameter> Parameters => _parameters.AsSpan(0, ParameterCount);

    /// <summary>Outputs of the response, in the model's order.</summary>
    public ReadOnlySpan<OutputTensor> Outputs => _outputs.AsSpan(0, OutputCount);

    /// <summary>Parameters of the response.</summary>
    public ReadOnlySpan<ResponseParameter> ResponseParameters => _batch is null ? default : _batch.Parameters;

    /// <summary>Position in <see cref="Inputs"/> by index in <see cref="ModelSettings.Inputs"/>; -1 = not sent.</summary>
    public Span<int> InputByIndex => _inputByIndex.AsSpan(0, Settings!.Inputs.Length);

    /// <summary>True while <see cref="Status"/> says success.</summary>
    public bool IsOk => Status == InferenceCode.Ok;

    /// <summary>Stores text and returns where it is.</summary>
    public Utf8Slice AddText(ReadOnlySpan<byte> utf8)
    {
        utf8.CopyTo(AddText(utf8.Length, out var slice));
        return slice;
    }

    /// <summary>Makes room for text which the caller fills in before anything else is added.</summary>
    public Span<byte> AddText(int length, out Utf8Slice slice)
    {
        if (_text.Length - _textLength < length)
            Array.Resize(ref _text, Math.Max(_text.Length * 2, _textLength + length));
        slice = new Utf8Slice(_textLength, length);
        _textLength += length;
        return _text.AsSpan(slice.Offset, length);
    }

    /// <summary>Reads stored text.</summary>
    public ReadOnlySpan<byte> Text(Utf8Slice slice) => _text.AsSpan(slice.Offset, slice.Length);

    /// <summary>Reads stored text as a string, for messages and logs.</summary>
    public string TextString(Utf8Slice slice) => Encoding.UTF8.GetString(Text(slice));

    /// <summary>Adds an input for the caller to fill in.</summary>
    public ref InputTensor AddInput()
    {
        if (InputCount == _inputs.Length)
            Grow(ref _inputs, "inputs");
        ref var input = ref _inputs[InputCount++];
        input = default;
        input.Index = -1;
        input.BinaryByteSize = -1;
        return ref input;
    }

    /// <summary>Adds tensor data that belongs to the next input without data of its own.</summary>
    public void AddBlob(in ReadOnlySequence<byte> blob)
    {
        if (BlobCount == _blobs.Length)
            Grow(ref _blobs, "raw contents");
        _blobs[BlobCount++] = blob;
    }

    /// <summary>Adds a requested output for the caller to fill in.</summary>
    public ref RequestedOutput AddRequestedOutput()
    {
        if (RequestedOutputCount == _requested.Length)
            Grow(ref _requested, "requested outputs");
        ref var output = ref _requested[RequestedOutputCount++];
        output = default;
        output.Index = -1;
        return ref output;
    }

    /// <summary>Adds a parameter for the model.</summary>
    public ref RequestParameter AddParameter()
    {
        if (ParameterCount == _parameters.Length)
            Grow(ref _parameters, "parameters");
        ref var parameter = ref _parameters[ParameterCount++];
        parameter = default;
        return ref parameter;
    }

    /// <summary>Makes the model known; called by the engine before binding.</summary>
    public void SetModel(ModelSettings settings)
    {
        Settings = settings;
        if (_inputByIndex.Length < settings.Inputs.Length)
            Array.Resize(ref _inputByIndex, settings.Inputs.Length);
    }

    /// <summary>Drops inputs that a scheduler added behind the client's.</summary>
    public void TrimInputs(int count)
    {
        _inputs.AsSpan(count, InputCount - count).Clear();
        InputCount = count;
    }

    /// <summary>Records a failure; the first one stays.</summary>
    public void Fail(InferenceCode code, string message)
    {
        if (Status != InferenceCode.Ok)
            return;
        Status = code;
        StatusMessage = message;
    }

    /// <summary>Records a failure after dropping an earlier one, when a retry has its own result.</summary>
    public void ClearFailure()
    {
        Status = InferenceCode.Ok;
        StatusMessage = "";
    }

    /// <summary>Makes room for the next response of a decoupled model.</summary>
    public void ClearResponse()
    {
        if (ResponseStatus == InferenceCode.Ok)
            ResponseStatus = Status;
        ClearOutputs();
        ClearFailure();
    }

    /// <summary>Starts a wait for <see cref="Complete"/>. For schedulers.</summary>
    public ValueTask WaitAsync() => new(this, _completion.Version);

    /// <summary>Makes the request ready for <see cref="WaitAsync"/>; called before another thread can complete it.</summary>
    public void PrepareWait() => _completion.Reset();

    /// <summary>Ends the wait; the waiter continues on this thread.</summary>
    /// <remarks>The caller must not touch the request afterwards: its owner may already be reusing it.</remarks>
    public void Complete() => _completion.SetResult(true);

    /// <summary>Empties the request for its next use and releases all memory that it holds.</summary>
    public void Reset()
    {
        if (Trace is { } trace)
        {
            Trace = null;
            trace.Complete();
        }

        foreach (ref var input in Inputs)
        {
            input.Owned?.Dispose();
            input = default;
        }

        _blobs.AsSpan(0, BlobCount).Clear();
        BlobCount = 0;
        ClearOutputs();
        if (NeedsPlacement)
            Placement.Clear();
        NeedsPlacement = false;
        if (_text.Length > KeptTextBytes)
            _text = new byte[256];
        if (Math.Max(_inputs.Length, _blobs.Length) > KeptItems || Math.Max(_requested.Length, _parameters.Length) > KeptItems)
            DropLargeArrays();
        _textLength = InputCount = RequestedOutputCount = ParameterCount = 0;
        ModelName = ModelVersion = Id = SequenceName = default;
        Priority = 0;
        TimeoutMicroseconds = 0;
        SequenceId = 0;
        Sink = null;
        Model = null;
        Endpoint = null;
        IsRefused = HasModelFailed = IsSampled = IsWatched = IsRescheduled = IsCancelled = IsDelayed = IsSequenceStart = IsSequenceEnd = WantsEmptyFinal = PrefersBinaryOutput = false;
        Times = default;
        ReceivedAt = QueuedAt = DeadlineAt = 0;
        Lifetime = null;
        Settings = null;
        Sequence = null;
        RowCount = RetryAfterMilliseconds = 0;
        Status = ResponseStatus = InferenceCode.Ok;
        StatusMessage = "";
    }

    private static void Grow<T>(ref T[] items, string what)
    {
        if (items.Length >= MaxItems)
            throw InferenceException.Invalid($"a request has more than {MaxItems} {what}");
        Array.Resize(ref items, Math.Max(4, items.Length * 2));
    }

    /// <summary>One odd request must not make a pooled one large for ever.</summary>
    private void DropLargeArrays()
    {
        _inputs = new InputTensor[4];
        _blobs = new ReadOnlySequence<byte>[4];
        _requested = new RequestedOutput[4];
        _parameters = [];
    }

    void IValueTaskSource.GetResult(short token) => _completion.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _completion.GetStatus(token);

    void IValueTaskSource.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _completion.OnCompleted(continuation, state, token, flags);
}
