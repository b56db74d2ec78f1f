using System.Buffers;
using System.Text;
using System.Text.Json;
using Sluice.Backends.Python.Models;
using Sluice.Backends.Python.Wire;
using Sluice.Backends.Python.Workers;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.Python.Calls;

/// <summary>A request of users' code to another model, run within the process.</summary>
internal sealed class ModelCall(WorkerConnection worker, uint number) : ICallLifetime, IResponseSink, IDisposable
{
    private readonly CancellationTokenSource _cancelled = new();
    private readonly InferRequest _request = new() { IsPart = true };
    private bool _isDecoupled;
    private bool _hasEnded;
    private string? _refusal;
    private string _model = "";

    public WorkerConnection Worker => worker;

    public uint Number => number;

    public CancellationToken CancellationToken => _cancelled.Token;

    public bool IsDeadlineExceeded => false;

    /// <summary>The code waits no more.</summary>
    public void Cancel()
    {
        try
        {
            _cancelled.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It ended at this moment.
        }
    }

    public void Dispose() => _cancelled.Dispose();

    /// <summary>Reads the request.</summary>
    /// <param name="reader">At the call's fields.</param>
    /// <param name="pool">Memory for inputs.</param>
    /// <param name="own">The model that the code is around; null = none.</param>
    public void Read(ref FrameReader reader, TensorBufferPool pool, IModelReference? own)
    {
        var version = (long)reader.U64();
        var correlation = reader.U64();
        var timeout = (long)reader.U64();
        var (flags, parameterLength) = (reader.U32(), reader.U32());
        var (inputs, requested) = (reader.U16(), reader.U16());
        _isDecoupled = reader.U8() != 0;
        reader.Skip(3);
        _model = reader.Text();
        var request = _request;
        request.ModelName = Add(_model);
        if (version >= 0)
            request.ModelVersion = Add(version.ToString(System.Globalization.CultureInfo.InvariantCulture));
        else if (own is not null && own.Servable.Settings.Name == _model)
            request.Model = own;
        request.Id = Add(reader.Text());
        request.SequenceName = Add(reader.Text());
        request.SequenceId = correlation;
        request.TimeoutMicroseconds = Math.Max(0, timeout);
        request.IsSequenceStart = (flags & 1) != 0;
        request.IsSequenceEnd = (flags & 2) != 0;
        request.Lifetime = this;
        if (_isDecoupled)
            request.Sink = this;
        for (var i = 0; i < requested; i++)
            request.AddRequestedOutput().Name = Add(reader.Text());
        AddParameters(reader.Bytes(parameterLength));
        for (var i = 0; i < inputs; i++)
            AddInput(ref reader, pool);
    }

    /// <summary>Runs the request and answers the code.</summary>
    public async Task RunAsync(IInferenceEngine engine)
    {
        try
        {
            if (_refusal is null)
                await engine.InferAsync(_request).ConfigureAwait(false);
            else
                _request.Fail(InferenceCode.InvalidArgument, _refusal);
            if (!_hasEnded)
                Send(isFinal: true, isEmpty: false);
        }
        finally
        {
            _request.Reset();
            Dispose();
        }
    }

    void IResponseSink.Begin(InferRequest request)
    {
    }

    ValueTask IResponseSink.WriteAsync(InferRequest request, ResponseKind kind)
    {
        _hasEnded |= kind != ResponseKind.Partial;
        Send(isFinal: kind != ResponseKind.Partial, isEmpty: kind == ResponseKind.EmptyFinal);
        return ValueTask.CompletedTask;
    }

    private Utf8Slice Add(string text) => _request.AddText(Encoding.UTF8.GetBytes(text));

    private void AddInput(ref FrameReader reader, TensorBufferPool pool)
    {
        var place = reader.Tensor();
        var name = reader.Text(place.Index);
        var buffer = AnswerReader.Take(ref reader, in place, worker, -1, pool);
        ref var input = ref _request.AddInput();
        input.Name = Add(name);
        input.DataType = place.Type;
        input.Shape = place.Shape;
        input.Owned = buffer;
        input.Data = new ReadOnlySequence<byte>(buffer.Memory);
        input.HasData = true;
    }

    private void AddParameters(ReadOnlySpan<byte> json)
    {
        if (json.IsEmpty)
            return;
        try
        {
            foreach (var property in JsonElement.Parse(json).EnumerateObject())
            {
                var (kind, bits, text) = property.Value.ValueKind switch
                {
                    JsonValueKind.True => (ParameterKind.Bool, 1L, ""),
                    JsonValueKind.False => (ParameterKind.Bool, 0L, ""),
                    JsonValueKind.Number when property.Value.TryGetInt64(out var whole) => (ParameterKind.Int64, whole, ""),
                    JsonValueKind.Number =>
                        (ParameterKind.Double, BitConverter.DoubleToInt64Bits(property.Value.GetDouble()), ""),
                    _ => (ParameterKind.String, 0L, property.Value.ToString()),
                };
                var key = Add(property.Name);
                var value = Add(text);
                _request.AddParameter() = new RequestParameter { Key = key, Kind = kind, Bits = bits, Text = value };
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // The code may hand on any text; that is its call's fault, not the worker's.
            _refusal = $"request parameters cannot be read: {error.Message}";
        }
    }

    private void Send(bool isFinal, bool isEmpty)
    {
        // The answer's memory is the worker's; one that has gone gets none.
        if (!worker.TryEnter())
            return;
        try
        {
            var writer = new FrameWriter();
            Write(writer, isFinal, isEmpty);
            worker.Calls.Send(writer.End());
        }
        catch (InferenceException error)
        {
            var writer = new FrameWriter();
            WriteHead(writer, Frames.Failed, AnswerReader.ToNumber(error.Code), isFinal: true, 0, error.Message, -1);
            worker.Calls.Send(writer.End());
        }
        finally
        {
            worker.Leave();
        }
    }

    private void Write(FrameWriter writer, bool isFinal, bool isEmpty)
    {
        if (isEmpty)
        {
            WriteHead(writer, Frames.None, 0, isFinal, 0, "", -1);
            return;
        }

        if (!_request.IsOk)
        {
            WriteHead(writer, Frames.Failed, AnswerReader.ToNumber(_request.Status), isFinal, 0, Explain(), -1);
            return;
        }

        var outputs = _request.Outputs;
        long total = 0, padded = 0;
        foreach (ref readonly var output in outputs)
        {
            total += output.Length;
            padded += (output.Length + 63) & -64;
        }

        var block = total > Frames.InlineLimit ? worker.Heap.Allocate(padded, _model) : -1;
        WriteHead(writer, Frames.Responded, 0, isFinal, outputs.Length, ParametersJson(), block);
        WriteOutputs(writer, outputs, block);
    }

    private unsafe void WriteOutputs(FrameWriter writer, ReadOnlySpan<OutputTensor> outputs, long block)
    {
        var patches = new int[outputs.Length];
        var next = block;
        for (var i = 0; i < outputs.Length; i++)
        {
            var output = outputs[i];
            var name = _request.Settings!.Outputs[output.Index].NameUtf8;
            patches[i] = writer.Length + 8;
            writer.Tensor(
                output.DataType, in output.Shape, block >= 0 ? Frames.Ours : Frames.Inline, name.Length, (ulong)Math.Max(0, next),
                output.Length);
            writer.Bytes(name);
            if (block < 0)
                continue;
            output.Data.CopyTo(new Span<byte>(worker.Heap.Region.At(next), output.Length));
            next += (output.Length + 63) & -64;
        }

        for (var i = 0; block < 0 && i < outputs.Length; i++)
        {
            writer.Pad(-writer.Length & 15);
            BitConverter.TryWriteBytes(writer.At(patches[i], sizeof(ulong)), (ulong)writer.Length);
            writer.Bytes(outputs[i].Data);
        }
    }

    private void WriteHead(FrameWriter writer, byte status, byte code, bool isFinal, int outputs, string text, long block)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        writer.Begin(Frames.InferCall);
        writer.U32(number);
        writer.U8(status);
        writer.U8(code);
        writer.U8(isFinal ? (byte)1 : (byte)0);
        writer.U8(0);
        writer.U16(outputs);
        writer.Pad(2);
        writer.U32((uint)utf8.Length);
        writer.U64(block >= 0 ? (ulong)block : Frames.NoBlock);
        writer.Bytes(utf8);
    }

    /// <summary>The words of the original for a model that cannot be called.</summary>
    private string Explain() =>
        _request is { IsRefused: true, Status: InferenceCode.NotFound or InferenceCode.Unavailable, Settings: null }
            ? $"Failed for execute the inference request. Model '{_model}' is not ready."
            : _request.StatusMessage;

    private string ParametersJson()
    {
        if (_request.ResponseParameters.IsEmpty)
            return "";
        var json = new System.Text.Json.Nodes.JsonObject();
        foreach (ref readonly var parameter in _request.ResponseParameters)
        {
            json[parameter.Key] = parameter.Kind switch
            {
                ParameterKind.Bool => parameter.Bits != 0,
                ParameterKind.Int64 => parameter.Bits,
                ParameterKind.UInt64 => (ulong)parameter.Bits,
                ParameterKind.Double => BitConverter.Int64BitsToDouble(parameter.Bits),
                _ => parameter.Text,
            };
        }

        return json.ToJsonString();
    }
}
