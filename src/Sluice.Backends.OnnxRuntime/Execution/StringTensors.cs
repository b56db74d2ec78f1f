using System.Buffers;
using System.Buffers.Binary;
using Sluice.Backends.OnnxRuntime.Interop;
using Sluice.Inference;
using Sluice.Tensors;

namespace Sluice.Backends.OnnxRuntime;

/// <summary>Strings between the protocol's form (a 32-bit length before each element) and the engine's own.</summary>
internal static unsafe class StringTensors
{
    private const int PrefixSize = sizeof(uint);

    /// <summary>Copies elements into a new tensor of the engine. Every byte is kept, zero bytes too.</summary>
    /// <returns>The tensor; the caller releases it.</returns>
    /// <exception cref="InferenceException">The bytes do not hold as many elements as the shape says.</exception>
    public static nint Create(OrtEnvironment environment, in BatchInput input, string name)
    {
        if (!input.Shape.TryGetElementCount(out var count)) throw Mismatch(name, "its shape is invalid");

        // Each element takes at least its prefix, so this also bounds what the engine will allocate.
        if (count > input.ByteLength / PrefixSize) throw Mismatch(name, $"{count} elements do not fit its bytes");
        var api = environment.Api;
        nint value;
        fixed (long* dimensions = input.Shape.Dimensions)
        {
            api.Check(api.CreateTensorAsOrtValue(
                environment.Allocator, dimensions, (nuint)input.Shape.Rank, ElementTypes.String, &value));
        }

        try
        {
            Fill(api, value, new ReadOnlySpan<byte>(input.Data, input.ByteLength), count, name);
        }
        catch
        {
            api.ReleaseValue(value);
            throw;
        }

        return value;
    }

    /// <summary>Copies the engine's strings into a pooled buffer in the protocol's form.</summary>
    /// <returns>The buffer; the caller disposes it.</returns>
    public static TensorBuffer Read(OrtApi api, nint value, long count, TensorBufferPool pool)
    {
        nuint length;
        api.Check(api.GetStringTensorDataLength(value, &length));
        var prefixes = checked((int)(count * PrefixSize));
        var buffer = pool.Rent(checked(prefixes + (int)length));
        var offsets = ArrayPool<nuint>.Shared.Rent((int)count + 1);
        try
        {
            fixed (nuint* first = offsets)
            {
                // All bytes go to the buffer's end at once; from there each element moves forward to its place.
                api.Check(api.GetStringTensorContent(value, buffer.Pointer + prefixes, length, first, (nuint)count));
            }

            offsets[count] = length;
            Spread(buffer.GetSpan(), offsets, (int)count, prefixes);
            return buffer;
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
        finally
        {
            ArrayPool<nuint>.Shared.Return(offsets);
        }
    }

    private static void Fill(OrtApi api, nint value, ReadOnlySpan<byte> bytes, long count, string name)
    {
        for (long i = 0; i < count; i++)
        {
            if (bytes.Length < PrefixSize) throw Mismatch(name, $"it ends before element {i} of {count}");
            var length = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
            bytes = bytes[PrefixSize..];
            if (length > (uint)bytes.Length) throw Mismatch(name, $"element {i} of {count} runs past its end");
            byte* target;
            api.Check(api.GetResizedStringTensorElementBuffer(value, (nuint)i, length, &target));
            bytes[..(int)length].CopyTo(new Span<byte>(target, (int)length));
            bytes = bytes[(int)length..];
        }

        if (bytes.Length > 0) throw Mismatch(name, $"{bytes.Length} bytes follow its {count} elements");
    }

    private static void Spread(Span<byte> buffer, nuint[] offsets, int count, int source)
    {
        var target = 0;
        for (var i = 0; i < count; i++)
        {
            var length = (int)(offsets[i + 1] - offsets[i]);
            var element = buffer.Slice(source + (int)offsets[i], length);

            // Ahead of the element lie only prefixes not yet written, so moving it cannot hit the next one.
            element.CopyTo(buffer[(target + PrefixSize)..]);
            BinaryPrimitives.WriteUInt32LittleEndian(buffer[target..], (uint)length);
            target += PrefixSize + length;
        }
    }

    private static InferenceException Mismatch(string name, string what) =>
        InferenceException.Invalid($"the bytes of string input '{name}' are wrong: {what}");
}
