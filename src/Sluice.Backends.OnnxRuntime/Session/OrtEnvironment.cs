using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Backends.OnnxRuntime.Interop;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>The engine's process-wide state: its log and the threads that all models share.</summary>
/// <remarks>
/// The engine itself keeps exactly one per process, however often one is asked for, so this is one static object; the
/// first model's settings size the threads. It is never released: sessions may outlive any owner we could name.
/// </remarks>
internal sealed unsafe class OrtEnvironment
{
    private const int WarningSeverity = 2;

    private static readonly Lock Gate = new();
    private static volatile ILogger _logger = NullLogger.Instance;
    private static OrtEnvironment? _shared;

    private OrtEnvironment(OnnxRuntimeLibrary library, int intraOpThreads, int interOpThreads)
    {
        Library = library;
        var api = library.Api;
        nint value;
        api.Check(api.CreateThreadingOptions(&value));
        using var threading = new OrtHandle(value, api.ReleaseThreadingOptions);
        api.Check(api.SetGlobalIntraOpNumThreads(value, intraOpThreads));
        api.Check(api.SetGlobalInterOpNumThreads(value, interOpThreads));

        // Spinning workers would take the CPU from the requests' own threads.
        api.Check(api.SetGlobalSpinControl(value, 0));
        delegate* unmanaged[Cdecl]<void*, int, byte*, byte*, byte*, byte*, void> log = &OnMessage;
        nint environment;
        fixed (byte* name = "sluice\0"u8)
        {
            api.Check(api.CreateEnv(log, null, WarningSeverity, name, value, &environment));
        }

        Handle = new OrtHandle(environment, api.ReleaseEnv);

        // Second lock on the door, see TelemetrySwitch.
        api.Check(api.DisableTelemetryEvents(environment));
        nint memory;
        const int deviceAllocator = 0;
        const int defaultMemory = 0;
        api.Check(api.CreateCpuMemoryInfo(deviceAllocator, defaultMemory, &memory));
        CpuMemory = new OrtHandle(memory, api.ReleaseMemoryInfo);
        nint allocator;
        api.Check(api.GetAllocatorWithDefaultOptions(&allocator));
        Allocator = allocator;
        Providers = ReadProviders(api);
    }

    public OnnxRuntimeLibrary Library { get; }

    public OrtApi Api => Library.Api;

    public OrtHandle Handle { get; }

    public OrtHandle CpuMemory { get; }

    /// <summary>The engine's own allocator; not to be released.</summary>
    public nint Allocator { get; }

    /// <summary>Accelerators that the library was built with, such as <c>CUDAExecutionProvider</c>.</summary>
    public IReadOnlyList<string> Providers { get; }

    /// <summary>Gives the process's environment, made at the first call.</summary>
    public static OrtEnvironment Get(ILogger logger, int intraOpThreads, int interOpThreads)
    {
        lock (Gate)
        {
            // The engine has one log per process: it goes to the last backend that listens.
            if (!ReferenceEquals(logger, NullLogger.Instance)) _logger = logger;
            if (_shared is null)
            {
                var threads = intraOpThreads > 0 ? intraOpThreads : Environment.ProcessorCount;
                _shared = new OrtEnvironment(OnnxRuntimeLibrary.Load(), threads, Math.Max(interOpThreads, 1));
                OnnxRuntimeLog.Loaded(logger, _shared.Library.Version, _shared.Library.Path, threads);
            }

            return _shared;
        }
    }

    private static List<string> ReadProviders(OrtApi api)
    {
        byte** names;
        int count;
        api.Check(api.GetAvailableProviders(&names, &count));
        var providers = new List<string>(count);
        for (var i = 0; i < count; i++) providers.Add(NativeText.Read(names[i]));
        api.Check(api.ReleaseAvailableProviders(names, count));
        return providers;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnMessage(void* state, int severity, byte* category, byte* logId, byte* location, byte* text)
    {
        // The engine logs errors that it also returns; whoever gets one reports it with its context, so here it is
        // no more than a warning.
        var level = severity switch
        {
            0 => LogLevel.Trace,
            1 => LogLevel.Debug,
            2 or 3 => LogLevel.Warning,
            _ => LogLevel.Critical,
        };
        var logger = _logger;
        if (!logger.IsEnabled(level)) return;
        var source = NativeText.Read(category);
        var session = NativeText.Read(logId);
        var message = NativeText.Read(text);
        var place = NativeText.Read(location);
        OnnxRuntimeLog.Engine(logger, level, source, session, message, place);
    }
}
