using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Sluice.Backends.Forest.Engine;
using Sluice.Backends.Forest.Formats;

namespace Sluice.Benchmarks;

/// <summary>Our forest engine beside the C library of XGBoost and ONNX Runtime's tree operator, in one process, on one thread, over the
/// same rows.</summary>
/// <remarks>Needs Debian's libxgboost0, and the forest also as ONNX beside its file. The last column lets ours have two threads.</remarks>
internal static unsafe partial class ForestRun
{
    private const int Rows = 4096;
    private const int Singles = 20_000;
    private const int Batches = 15;

    // Calls of one kind behind one another; the caches belong to it then.
    private const int Turn = 500;

    public static int Run(IEnumerable<string> files)
    {
        Console.WriteLine(
            $"{"forest",-12} {"layout",-33} {"load ms",8} {"KiB",7} {"in all",7} | {"1 row p50 µs: ours",18} {"XGBoost",8} {"times",6} {"ORT",8} {"times",6} | "
            + $"{"µs/row of 4096: ours",20} {"XGBoost",8} {"times",6} {"ORT",8} {"times",6} {"2 threads",9}");
        foreach (var file in files)
            Run(file);
        return 0;
    }

    private static void Run(string file)
    {
        // What is compiled when the first forest is loaded is not the file's cost.
        _ = new ForestEngine<float>(ForestFile.Read(file));
        var memory = GC.GetTotalMemory(forceFullCollection: true);
        var began = Stopwatch.GetTimestamp();
        var forest = ForestFile.Read(file);
        var engine = new ForestEngine<float>(forest);
        var load = Stopwatch.GetElapsedTime(began);
        memory = GC.GetTotalMemory(forceFullCollection: true) - memory;
        var threaded = new ForestEngine<float>(forest, engine.Kernel.Name, threads: 2);
        var width = forest.FeatureCount;
        var random = new Random(3);
        var rows = GC.AllocateArray<float>(Rows * width, pinned: true);
        for (var i = 0; i < rows.Length; i++)
            rows[i] = (float)(random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5) * 2;
        using var library = new Library(file);
        using var ort = new BareCall(Path.ChangeExtension(file, ".onnx"), Rows);
        using var ortSingle = new BareCall(Path.ChangeExtension(file, ".onnx"), 1);
        rows.CopyTo(ort.Input);
        var ours = new float[Rows];
        engine.Score(rows, width, ours);
        ort.Run();
        if (!ours.AsSpan().SequenceEqual(library.Predict(rows, Rows, width)) || ours.Zip(ort.Output.ToArray()).Any(pair => Math.Abs(pair.First - pair.Second) > 1e-3))
            throw new InvalidOperationException($"{file}: the results differ");

        var single = Measure(
            Singles,
            i => engine.Score(rows.AsSpan(i % Rows * width, width), width, ours.AsSpan(0, 1)),
            i => library.Predict(rows.AsSpan(i % Rows * width, width), 1, width),
            i =>
            {
                rows.AsSpan(i % Rows * width, width).CopyTo(ortSingle.Input);
                ortSingle.Run();
            });
        var batch = Measure(
            Batches, _ => engine.Score(rows, width, ours), _ => library.Predict(rows, Rows, width), _ => ort.Run(), _ => threaded.Score(rows, width, ours));
        Console.WriteLine(
            $"{Path.GetFileNameWithoutExtension(file),-12} {engine.Kernel.Name,-33} {load.TotalMilliseconds,8:0} {engine.Kernel.ByteSize / 1024,7} {memory / 1024,7} | "
            + $"{single[0],18:0.00} {single[1],8:0.00} {single[1] / single[0],6:0.0} {single[2],8:0.00} {single[2] / single[0],6:0.0} | "
            + $"{batch[0] / Rows,20:0.000} {batch[1] / Rows,8:0.000} {batch[1] / batch[0],6:0.0} {batch[2] / Rows,8:0.000} {batch[2] / batch[0],6:0.0} {batch[3] / Rows,9:0.000}");
    }

    /// <summary>Median µs of each, a number of them in turns, so that all meet the same state of the machine.</summary>
    private static double[] Measure(int count, params Action<int>[] runs)
    {
        var times = Array.ConvertAll(runs, _ => new double[count]);
        for (var i = 0; i < count; i += Turn)
        {
            for (var run = 0; run < runs.Length; run++)
            {
                for (var j = i; j < Math.Min(count, i + Turn); j++)
                {
                    var start = Stopwatch.GetTimestamp();
                    runs[run](j);
                    times[run][j] = (Stopwatch.GetTimestamp() - start) * 1e6 / Stopwatch.Frequency;
                }
            }
        }

        return Array.ConvertAll(times, Median);
    }

    private static double Median(double[] values) => values.Order().ElementAt(values.Length / 2);

    /// <summary>A booster of the library, on one thread.</summary>
    private sealed partial class Library : IDisposable
    {
        private const string Name = "libxgboost.so.0";
        private static readonly byte[] Config =
            """{"type":0,"training":false,"iteration_begin":0,"iteration_end":0,"strict_shape":false,"missing":NaN,"cache_id":0}"""u8.ToArray();

        private readonly nint _booster;

        public Library(string file)
        {
            nint booster;
            Check(XGBoosterCreate(0, 0, &booster));
            _booster = booster;
            Check(XGBoosterLoadModel(booster, file));
            Check(XGBoosterSetParam(booster, "nthread", "1"));
        }

        public ReadOnlySpan<float> Predict(ReadOnlySpan<float> rows, int count, int width)
        {
            fixed (float* data = rows)
            fixed (byte* config = Config)
            {
                var array = stackalloc byte[160];
                var length = Encoding.ASCII.GetBytes(
                    $"{{\"data\":[{(nint)data},true],\"shape\":[{count},{width}],\"typestr\":\"<f4\",\"version\":3}}", new Span<byte>(array, 159));
                array[length] = 0;
                ulong* shape;
                ulong dimensions;
                float* result;
                Check(XGBoosterPredictFromDense(_booster, array, config, 0, &shape, &dimensions, &result));
                return new ReadOnlySpan<float>(result, count);
            }
        }

        public void Dispose() => _ = XGBoosterFree(_booster);

        private static void Check(int status)
        {
            if (status != 0)
                throw new InvalidOperationException(Marshal.PtrToStringUTF8(XGBGetLastError()));
        }

        [LibraryImport(Name)]
        private static partial int XGBoosterCreate(nint matrices, ulong count, nint* booster);

        [LibraryImport(Name)]
        private static partial int XGBoosterFree(nint booster);

        [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
        private static partial int XGBoosterLoadModel(nint booster, string file);

        [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
        private static partial int XGBoosterSetParam(nint booster, string name, string value);

        [LibraryImport(Name)]
        private static partial int XGBoosterPredictFromDense(
            nint booster, byte* values, byte* config, nint matrix, ulong** shape, ulong* dimensions, float** result);

        [LibraryImport(Name)]
        private static partial nint XGBGetLastError();
    }
}
