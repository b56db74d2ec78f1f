using System.Runtime.InteropServices;
using System.Text;

namespace Sluice.Backends.OnnxRuntime.Interop;

/// <summary>Zero-terminated text for C functions.</summary>
internal static unsafe class NativeText
{
    public static string Read(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "";

    /// <summary>Copies text into native memory; free with <see cref="Free"/>.</summary>
    public static byte* Allocate(string text)
    {
        var length = Encoding.UTF8.GetByteCount(text);
        var native = (byte*)NativeMemory.Alloc((nuint)length + 1);
        Encoding.UTF8.GetBytes(text, new Span<byte>(native, length));
        native[length] = 0;
        return native;
    }

    public static void Free(void* text) => NativeMemory.Free(text);

    /// <summary>A path in the characters of the system: 16 bits on Windows, else UTF-8.</summary>
    public static byte[] Path(string path) =>
        OperatingSystem.IsWindows() ? Encoding.Unicode.GetBytes(path + '\0') : Encoding.UTF8.GetBytes(path + '\0');

    public static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text + '\0');
}
