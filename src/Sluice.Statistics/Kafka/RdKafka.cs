using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Sluice.Statistics.Kafka;

/// <summary>The few functions of librdkafka that a producer needs; its header says what they do.</summary>
/// <remarks>The library is loaded by the first call, which happens only where Kafka is configured.</remarks>
internal static unsafe partial class RdKafka
{
    /// <summary>Any partition: the key decides.</summary>
    public const int AnyPartition = -1;

    /// <summary>The library copies the payload.</summary>
    public const int CopyFlag = 2;

    /// <summary>Throw away what waits, and what is on its way.</summary>
    public const int PurgeAll = 3;

    /// <summary>No broker can be reached.</summary>
    public const int AllBrokersDown = -187;

    /// <summary>The producer is of no more use.</summary>
    public const int Fatal = -150;

    private const string Library = "librdkafka.so.1";

    /// <summary>Names another file of the library.</summary>
    private const string Variable = "SLUICE_LIBRDKAFKA_LIBRARY";

    static RdKafka() => NativeLibrary.SetDllImportResolver(
        typeof(RdKafka).Assembly,
        static (name, _, _) => name == Library && Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } file
            ? NativeLibrary.Load(file)
            : 0);

    [LibraryImport(Library, EntryPoint = "rd_kafka_conf_new")]
    public static partial nint CreateConfiguration();

    [LibraryImport(Library, EntryPoint = "rd_kafka_conf_destroy")]
    public static partial void DestroyConfiguration(nint configuration);

    [LibraryImport(Library, EntryPoint = "rd_kafka_conf_set", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Set(nint configuration, string name, string value, byte* error, nuint errorSize);

    [LibraryImport(Library, EntryPoint = "rd_kafka_conf_set_opaque")]
    public static partial void SetOpaque(nint configuration, nint opaque);

    [LibraryImport(Library, EntryPoint = "rd_kafka_conf_set_dr_msg_cb")]
    public static partial void SetDeliveryCallback(nint configuration, delegate* unmanaged<nint, Message*, nint, void> callback);

    [LibraryImport(Library, EntryPoint = "rd_kafka_conf_set_error_cb")]
    public static partial void SetErrorCallback(nint configuration, delegate* unmanaged<nint, int, byte*, nint, void> callback);

    [LibraryImport(Library, EntryPoint = "rd_kafka_conf_set_log_cb")]
    public static partial void SetLogCallback(nint configuration, delegate* unmanaged<nint, int, byte*, byte*, void> callback);

    [LibraryImport(Library, EntryPoint = "rd_kafka_new")]
    public static partial ProducerHandle Create(int type, nint configuration, byte* error, nuint errorSize);

    [LibraryImport(Library, EntryPoint = "rd_kafka_destroy")]
    public static partial void Destroy(nint producer);

    [LibraryImport(Library, EntryPoint = "rd_kafka_topic_new", StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint CreateTopic(ProducerHandle producer, string name, nint configuration);

    [LibraryImport(Library, EntryPoint = "rd_kafka_topic_destroy")]
    public static partial void DestroyTopic(nint topic);

    [LibraryImport(Library, EntryPoint = "rd_kafka_produce")]
    public static partial int Produce(
        nint topic, int partition, int flags, byte* payload, nuint length, byte* key, nuint keyLength, nint opaque);

    [LibraryImport(Library, EntryPoint = "rd_kafka_last_error")]
    public static partial int LastError();

    [LibraryImport(Library, EntryPoint = "rd_kafka_poll")]
    public static partial int Poll(ProducerHandle producer, int milliseconds);

    [LibraryImport(Library, EntryPoint = "rd_kafka_outq_len")]
    public static partial int QueueLength(ProducerHandle producer);

    [LibraryImport(Library, EntryPoint = "rd_kafka_purge")]
    public static partial int Purge(ProducerHandle producer, int flags);

    /// <summary>A message whose fate is known; the library's layout.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Message
    {
        /// <summary>0 = delivered.</summary>
        public int Error;

        /// <summary>Its topic.</summary>
        public nint Topic;

        /// <summary>Its partition.</summary>
        public int Partition;

        /// <summary>Its bytes.</summary>
        public nint Payload;

        /// <summary>How many.</summary>
        public nuint Length;

        /// <summary>Its key.</summary>
        public nint Key;

        /// <summary>How many bytes.</summary>
        public nuint KeyLength;

        /// <summary>Where it was put.</summary>
        public long Offset;

        /// <summary>What <see cref="Produce"/> was given.</summary>
        public nint Opaque;
    }

    /// <summary>A producer; what waits in it is lost when it is released.</summary>
    internal sealed class ProducerHandle() : SafeHandleZeroOrMinusOneIsInvalid(ownsHandle: true)
    {
        /// <inheritdoc/>
        protected override bool ReleaseHandle()
        {
            Destroy(handle);
            return true;
        }
    }
}
