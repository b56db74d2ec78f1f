using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Sluice.Backends.Forest.Engine;
using Sluice.Backends.Forest.Formats;

namespace Sluice.Benchmarks;

/// <summary>Our forest engine beside the C library of XGBoost, in one process, on one thread, over the same rows.</summary>
/// <remarks>Needs Debian's libxgboost0. Rows alternate between the two, so that both meet the same state of the machine.</remarks>
internal static unsafe partial class ForestRun
{
    private const int Rows = 4096;
    private const int Singles = 20_000;
    private const int Batches = 15;

    public static int Run(IEnumerable<string> files)
    {
        Console.WriteLine(
            $"{"forest",-12} {"layout",-30} {"load ms",8} {"KiB",7} | {"1 row p50 µs: ours",18} {"XGBoost",8} {"times",6} | {"µs/row of 4096: ours",20} {"XGBoost",8} {"times",6}");
        foreach (var file in files)
            Run(file);
        return 0;
    }

    private static void Run(string file)
    {
        var began = Stopwatch.GetTimestamp();
        var forest = ForestFile.Read(file);
        var engine = new ForestEngine<float>(forest);
        var load = Stopwatch.GetElapsedTime(began);
        var random = new Random(3);
        var rows = GC.AllocateArray<float>(Rows * forest.FeatureCount, pinned: true);
        for (var i = 0; i < rows.Length; i++)
            rows[i] = (float)(random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5) * 2;
        using var library = new Library(file);
        var ours = new float[Rows];
        engine.Score(rows, forest.FeatureCount, ours);
        var theirs = library.Predict(rows, Rows, forest.FeatureCount).ToArray();
        if (!ours.AsSpan().SequenceEqual(theirs))
            throw new InvalidOperationException($"{file}: the results differ");

        var (single, librarySingle) = MeasureSingles(engine, library, rows, forest.FeatureCount);
        var (batch, libraryBatch) = MeasureBatches(engine, library, rows, forest.FeatureCount);
        Console.WriteLine(
            $"{Path.GetFileNameWithoutExtension(file),-12} {engine.Kernel.Name,-30} {load.TotalMilliseconds,8:0} {engine.Kernel.ByteSize / 1024,7} | " +
            $"{single,18:0.00} {librarySingle,8:0.00} {librarySingle / single,6:0.0} | {batch,20:0.000} {libraryBatch,8:0.000} {libraryBatch / batch,6:0.0}");
    }

    private static (double Ours, double Library) MeasureSingles(ForestEngine<float> engine, Library library, float[] rows, int width)
    {
        var (ours, theirs) = (new double[Singles], new double[Singles]);
        var score = new float[1];
        for (var i = 0; i < Singles; i++)
        {
            var row = rows.AsSpan(i % Rows * width, width);
            var start = Stopwatch.GetTimestamp();
            engine.Score(row, width, score);
            ours[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }

        for (var i = 0; i < Singles; i++)
        {
            var row = rows.AsSpan(i % Rows * width, width);
            var start = Stopwatch.GetTimestamp();
            library.Predict(row, 1, width);
            theirs[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }

        return (Median(ours), Median(theirs));
    }

    private static (double Ours, double Library) MeasureBatches(ForestEngine<float> engine, Library library, float[] rows, int width)
    {
        var (ours, theirs) = (new double[Batches], new double[Batches]);
        var scores = new float[Rows];
        for (var i = 0; i < Batches; i++)
        {
            var start = Stopwatch.GetTimestamp();
            engine.Score(rows, width, scores);
            ours[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds / Rows;
            start = Stopwatch.GetTimestamp();
            library.Predict(rows, Rows, width);
            theirs[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds / Rows;
        }

        return (Median(ours), Median(theirs));
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
