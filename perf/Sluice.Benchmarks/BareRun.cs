using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Backends.OnnxRuntime;
using Sluice.Backends.OnnxRuntime.Interop;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Benchmarks;

/// <summary>The bare engine call: a graph run again and again on one thread over the same memory, nothing of ours around it.</summary>
/// <remarks>What a server's CPU time per request is compared with; <c>perf/compare.sh</c> runs it in turn with the servers.</remarks>
internal static unsafe class BareRun
{
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(0.5);

    /// <summary><c>--bare MODEL.onnx ROWS SECONDS</c>: prints the CPU µs per row of a graph with FP32 tensors whose only
    /// free dimension is the batch.</summary>
    public static int Run(string file, string rowsText, string secondsText)
    {
        var rows = int.Parse(rowsText, CultureInfo.InvariantCulture);
        var time = TimeSpan.FromSeconds(double.Parse(secondsText, CultureInfo.InvariantCulture));
        var settings = new ModelSettings
        {
            Name = "bare",
            Version = "1",
            Backend = "onnxruntime",
            ModelFolder = Path.GetDirectoryName(Path.GetFullPath(file))!,
            VersionFolder = Path.GetDirectoryName(Path.GetFullPath(file))!,
            ModelFilename = Path.GetFileName(file),
            MaxBatchSize = rows,
        };
        var environment = OrtEnvironment.Get(NullLogger.Instance, 1, 1);
        using var session = OnnxSession.Open(
            environment, settings, SessionSettings.Read(settings).OnCallersThread(), InstanceKind.Cpu, 0);
        using var pool = new TensorBufferPool(new TensorBufferPoolOptions());
        using var inputs = new Arguments(environment, pool, session.Inputs, rows);
        using var outputs = new Arguments(environment, pool, session.Outputs, rows);
        RunFor(environment.Api, session, inputs, outputs, WarmUp);
        var before = Environment.CpuUsage.TotalTime;
        var runs = RunFor(environment.Api, session, inputs, outputs, time);
        var cpu = Environment.CpuUsage.TotalTime - before;
        Console.WriteLine((cpu.TotalMicroseconds / runs / rows).ToString("F2", CultureInfo.InvariantCulture));
        return 0;
    }

    private static long RunFor(OrtApi api, OnnxSession session, Arguments inputs, Arguments outputs, TimeSpan time)
    {
        var start = Stopwatch.GetTimestamp();
        var runs = 0L;
        for (; Stopwatch.GetElapsedTime(start) < time; runs++)
        {
            var (i, o) = (inputs.Call, outputs.Call);
            api.Check(api.Run(session.Value, 0, i.Names, i.Values, i.Count, o.Names, o.Count, o.Values));
        }

        return runs;
    }

    /// <summary>Inputs or outputs of the call over pooled memory; a free first dimension is the rows.</summary>
    private sealed class Arguments : IDisposable
    {
        private readonly List<TensorBuffer> _buffers = [];
        private readonly List<TensorViews> _views = [];

        public Arguments(OrtEnvironment environment, TensorBufferPool pool, GraphTensor[] tensors, int rows)
        {
            Call = new CallArguments(environment.Api, tensors.Length);
            foreach (var tensor in tensors)
            {
                var dims = Array.ConvertAll(tensor.Dims!, dim => dim < 0 ? rows : dim);
                var shape = Shape.Create(dims);
                if (!shape.TryGetByteSize(tensor.DataType, out var bytes))
                    throw new ArgumentException($"{tensor.Name} is too large");
                var buffer = pool.Rent(checked((int)bytes));
                new Span<byte>(buffer.Pointer, buffer.Length).Clear();
                _buffers.Add(buffer);
                var views = new TensorViews(environment.Api, environment.CpuMemory.Value, tensor.Element);
                _views.Add(views);
                Call.Add(tensor.NativeName, views.Get(buffer.Pointer, buffer.Length, shape), isOwned: false);
            }
        }

        public CallArguments Call { get; }

        public void Dispose()
        {
            Call.Dispose();
            _views.ForEach(views => views.Release());
            _buffers.ForEach(buffer => buffer.Dispose());
        }
    }
}
