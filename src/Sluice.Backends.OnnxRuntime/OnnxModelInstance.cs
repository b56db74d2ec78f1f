using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Sluice.Backends.OnnxRuntime.Interop;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>One caller's state of a session: arguments, views of memory, the means to stop it.</summary>
/// <remarks>
/// Inputs are read where they lie. Outputs whose shape is known beforehand are written by the engine into pooled
/// buffers; the others, and strings, cost one copy. Nothing is allocated per execution once shapes repeat.
/// </remarks>
internal sealed unsafe class OnnxModelInstance : IModelInstance
{
    private const int OnlyFatal = 4;

    private readonly ModelSettings _settings;
    private readonly AdaptiveSession _sessions;
    private readonly OrtEnvironment _environment;
    private readonly OrtApi _api;
    private readonly OutputShapePlan _shapes;
    private readonly ILogger _logger;
    private readonly GraphTensor[] _inputs;
    private readonly GraphTensor[] _outputs;
    private readonly TensorViews[] _inputViews;
    private readonly TensorViews[] _outputViews;
    private readonly TensorBuffer?[] _rented;
    private readonly OutputGuesses _guesses;
    private readonly OrtHandle _runOptions;
    private readonly TerminationGate _gate;
    private readonly CallArguments _in;
    private readonly CallArguments _out;
    private uint _runs;
    private bool _disposed;

    public OnnxModelInstance(
        AdaptiveSession sessions, ModelSettings settings, SessionSettings options, OutputShapePlan shapes, ILogger logger)
    {
        _settings = settings;
        _sessions = sessions;
        var session = sessions.Current;
        _environment = session.Environment;
        _api = _environment.Api;
        _shapes = shapes;
        _logger = logger;
        _inputs = TensorBinding.Bind(settings.Inputs, session.Inputs, settings, "input");
        _outputs = TensorBinding.Bind(settings.Outputs, session.Outputs, settings, "output");
        _inputViews = Array.ConvertAll(_inputs, NewViews);
        _outputViews = Array.ConvertAll(_outputs, NewViews);
        _rented = new TensorBuffer?[_outputs.Length];
        _guesses = new OutputGuesses(shapes, _outputs);
        _runOptions = CreateRunOptions(options);
        _gate = new TerminationGate(_api, _runOptions.Value);
        _in = new CallArguments(_api, _inputs.Length);
        _out = new CallArguments(_api, _outputs.Length);
    }

    public ValueTask ExecuteAsync(ExecutionBatch batch)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        try
        {
            BindInputs(batch);
            Run(batch);
            return ValueTask.CompletedTask;
        }
        catch (InferenceException error)
        {
            return ValueTask.FromException(error);
        }
        catch (OrtException error)
        {
            return ValueTask.FromException(OnnxErrors.Run(_settings, error));
        }
        catch (Exception error) when (error is TensorPoolExhaustedException or OverflowException)
        {
            return ValueTask.FromException(OnnxErrors.Memory(_settings, error));
        }
        finally
        {
            DropGuesses();
            _in.Clear();
            _out.Clear();
        }
    }

    public void Terminate() => _gate.Terminate();

    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        foreach (var views in _inputViews) views.Release();
        foreach (var views in _outputViews) views.Release();
        _in.Dispose();
        _out.Dispose();
        _runOptions.Dispose();
    }

    private TensorViews NewViews(GraphTensor tensor) => new(_api, _environment.CpuMemory.Value, tensor.Element);

    private OrtHandle CreateRunOptions(SessionSettings options)
    {
        nint value;
        _api.Check(_api.CreateRunOptions(&value));
        var handle = new OrtHandle(value, _api.ReleaseRunOptions);

        // A failed run goes to whoever asked for it; a line in the log for each would let clients flood it.
        _api.Check(_api.RunOptionsSetRunLogSeverityLevel(value, OnlyFatal));
        if (options.ArenaShrinkage.Length == 0) return handle;
        fixed (byte* key = "memory.enable_memory_arena_shrinkage\0"u8, text = NativeText.Utf8(options.ArenaShrinkage))
        {
            _api.Check(_api.AddRunConfigEntry(value, key, text));
        }

        return handle;
    }

    private void BindInputs(ExecutionBatch batch)
    {
        var inputs = batch.Inputs;
        _guesses.Begin(batch.RowCount);
        for (var i = 0; i < inputs.Length; i++)
        {
            ref var input = ref inputs[i];
            if (!input.IsPresent) continue;
            var tensor = _inputs[i];
            _guesses.Collect(i, input.Shape);
            var isString = tensor.DataType == DataType.Bytes;
            var value = isString
                ? StringTensors.Create(_environment, input, tensor.Name)
                : _inputViews[i].Get(input.Data, input.ByteLength, input.Shape);
            _in.Add(tensor.NativeName, value, isString);
        }
    }

    private void Run(ExecutionBatch batch)
    {
        BindOutputs(batch, mayGuess: true);
        if (_out.Count == 0) return;
        var status = Call();
        if (status != 0)
        {
            var error = _api.Take(status);
            if (!Array.Exists(_rented, static buffer => buffer is not null)) throw error;

            // Perhaps a shape in the file is untrue, which the engine's releases report in different words. Once more
            // with its own memory: what fails again is the request's fault, else Store notes the untrue shape.
            DropGuesses();
            _out.Clear();
            BindOutputs(batch, mayGuess: false);
            _api.Check(Call());
        }

        Store(batch);
    }

    private nint Call()
    {
        var isTimed = _sessions.WantsTimeOf(_runs++);
        var start = isTimed ? Stopwatch.GetTimestamp() : 0;
        _gate.Enter();
        var status = _api.Run(
            _sessions.Current.Value, _runOptions.Value, _in.Names, _in.Values, _in.Count, _out.Names, _out.Count, _out.Values);
        if (isTimed) _sessions.Report(Stopwatch.GetTimestamp() - start);
        if (!_gate.Leave() || status == 0) return status;
        _api.ReleaseStatus(status);
        throw new InferenceException(InferenceCode.Cancelled, $"execution of model '{_settings.Name}' was cancelled");
    }

    private void BindOutputs(ExecutionBatch batch, bool mayGuess)
    {
        _guesses.Resolve();
        for (var i = 0; i < _outputs.Length; i++)
        {
            if (!batch.IsRequested(i)) continue;
            var tensor = _outputs[i];
            ref readonly var guess = ref _guesses[i];
            if (!mayGuess || !guess.IsKnown)
            {
                _out.Add(tensor.NativeName, 0, isOwned: true);
                continue;
            }

            var buffer = batch.RentOutput(i, checked((int)guess.ByteSize));
            _rented[i] = buffer;
            var view = _outputViews[i].Get(buffer.Pointer, buffer.Length, guess.Shape);
            _out.Add(tensor.NativeName, view, isOwned: false);
        }
    }

    private void Store(ExecutionBatch batch)
    {
        var position = 0;
        for (var i = 0; i < _outputs.Length; i++)
        {
            if (!batch.IsRequested(i)) continue;
            var value = _out.Values[position++];
            ref readonly var guess = ref _guesses[i];
            if (_rented[i] is { } buffer)
            {
                _rented[i] = null;
                batch.SetOutput(i, guess.Shape, buffer);
                continue;
            }

            var tensor = _outputs[i];
            var shape = OutputReader.ReadShape(_api, value, tensor.Name);
            if (guess.IsKnown && guess.Shape != shape)
            {
                _shapes.Distrust(i);
                OnnxRuntimeLog.OutputShapeDiffers(_logger, _settings.Name, tensor.Name);
            }

            batch.SetOutput(i, shape, OutputReader.Copy(_api, value, shape, tensor.DataType, batch, i));
        }
    }

    private void DropGuesses()
    {
        foreach (ref var buffer in _rented.AsSpan())
        {
            buffer?.Dispose();
            buffer = null;
        }
    }
}
