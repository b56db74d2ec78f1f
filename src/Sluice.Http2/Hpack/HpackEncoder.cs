using System.Buffers;
using System.Text;

namespace Sluice.Http2.Hpack;

/// <summary>Writes header blocks without a dynamic table: gRPC's answers are a few constant bytes.</summary>
internal static class HpackEncoder
{
    /// <summary><c>:status: 200</c> and <c>content-type: application/grpc</c>.</summary>
    public static ReadOnlySpan<byte> GrpcResponse =>
    [
        0x88, 0x0f, 0x10, 16, (byte)'a', (byte)'p', (byte)'p', (byte)'l', (byte)'i', (byte)'c', (byte)'a', (byte)'t', (byte)'i',
        (byte)'o', (byte)'n', (byte)'/', (byte)'g', (byte)'r', (byte)'p', (byte)'c',
    ];

    /// <summary><c>grpc-status: 0</c>.</summary>
    public static ReadOnlySpan<byte> GrpcOk => "\0\u000bgrpc-status\u00010"u8;

    /// <summary>Tells the peer that its decoder needs no dynamic table (RFC 7541 §4.2).</summary>
    public static void WriteTableSizeZero(IBufferWriter<byte> output) => Write(output, 0x20);

    /// <summary>Writes <c>:status</c>.</summary>
    public static void WriteStatus(IBufferWriter<byte> output, int status)
    {
        for (var index = StaticTable.StatusName; index < StaticTable.StatusName + 7; index++)
        {
            if (StaticTable.Get(index).Value == StatusText(status))
            {
                Write(output, (byte)(0x80 | index));
                return;
            }
        }

        Write(output, StaticTable.StatusName);
        WriteString(output, StatusText(status));
    }

    /// <summary>Writes a field that the peer does not remember.</summary>
    /// <param name="output">Where the block goes.</param>
    /// <param name="name">Lower case.</param>
    /// <param name="value">Characters up to U+00FF.</param>
    public static void WriteField(IBufferWriter<byte> output, string name, string value)
    {
        Write(output, 0);
        WriteString(output, name);
        WriteString(output, value);
    }

    private static void Write(IBufferWriter<byte> output, byte value)
    {
        output.GetSpan(1)[0] = value;
        output.Advance(1);
    }

    private static string StatusText(int status) => status.ToString(System.Globalization.CultureInfo.InvariantCulture);

    private static void WriteString(IBufferWriter<byte> output, string text)
    {
        var span = output.GetSpan(5 + text.Length);
        var length = WriteInteger(span, text.Length);
        length += Encoding.Latin1.GetBytes(text, span[length..]);
        output.Advance(length);
    }

    private static int WriteInteger(Span<byte> span, int value)
    {
        if (value < 127)
        {
            span[0] = (byte)value;
            return 1;
        }

        span[0] = 127;
        var rest = value - 127;
        var count = 1;
        for (; rest >= 128; rest >>= 7)
            span[count++] = (byte)(rest | 0x80);
        span[count++] = (byte)rest;
        return count;
    }
}
