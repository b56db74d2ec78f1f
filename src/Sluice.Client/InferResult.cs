using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Sluice.Client.Framing;
using Sluice.Inference;
using Sluice.Protocol.Codec;
using Sluice.Protocol.Inference;
using Sluice.Protocol.Wire;
using Sluice.Tensors;
using DataType = Sluice.Tensors.DataType;

namespace Sluice.Client;

/// <summary>The answer to an inference request; its tensors lie in the received message.</summary>
/// <remarks>
/// <b>Ownership.</b> Owns that memory: spans are good until <see cref="Dispose"/>, which is to be called once.
/// </remarks>
public sealed class InferResult : IDisposable
{
    private readonly ReceivedMessage _message;
    private readonly InferResponseMessage _response;
    private Dictionary<string, InferParameter>? _parameters;

    private InferResult(ReceivedMessage message, InferResponseMessage response)
    {
        _message = message;
        _response = response;
    }

    /// <summary>The model that ran.</summary>
    public string ModelName => Encoding.UTF8.GetString(_response.ModelNameUtf8.Span);

    /// <summary>Its version.</summary>
    public string ModelVersion => Encoding.UTF8.GetString(_response.ModelVersionUtf8.Span);

    /// <summary>The request's id.</summary>
    public string Id => Encoding.UTF8.GetString(_response.IdUtf8.Span);

    /// <summary>Why a request of a stream failed; null = it did not.</summary>
    public string? Error => _response.ErrorUtf8.IsEmpty ? null : Encoding.UTF8.GetString(_response.ErrorUtf8.Span);

    /// <summary>Number of outputs.</summary>
    public int OutputCount => _response.OutputCount;

    /// <summary>The response's parameters, such as <c>triton_final_response</c> in a stream.</summary>
    public IReadOnlyDictionary<string, InferParameter> Parameters => _parameters ??= ReadParameters();

    /// <summary>Returns the name of an output.</summary>
    public string GetName(int index) => Encoding.UTF8.GetString(_response.Outputs[index].NameUtf8.Span);

    /// <summary>Tells whether there is an output of a name.</summary>
    public bool Contains(string name) => IndexOf(name) >= 0;

    /// <summary>Returns an output's datatype.</summary>
    public DataType GetDataType(string name) => Output(name).DataType;

    /// <summary>Returns an output's dimensions.</summary>
    public Shape GetShape(string name) => Output(name).Shape;

    /// <summary>Returns an output's raw bytes.</summary>
    public ReadOnlySpan<byte> GetBytes(string name) => Output(name).Data.Span;

    /// <summary>Returns an output's elements, row-major, without copying them. They need not be aligned in memory.</summary>
    /// <exception cref="InvalidOperationException">The output's datatype is another one.</exception>
    public ReadOnlySpan<T> GetSpan<T>(string name)
        where T : unmanaged
    {
        ref readonly var output = ref Output(name);
        if (!ElementTypes.Fits<T>(output.DataType))
            throw new InvalidOperationException($"output '{name}' is {output.DataType.WireName()}, not {typeof(T).Name}");
        return MemoryMarshal.Cast<byte, T>(output.Data.Span);
    }

    /// <summary>Returns a BYTES output's elements as texts (UTF-8), row-major.</summary>
    /// <exception cref="InvalidOperationException">The output's datatype is another one.</exception>
    /// <exception cref="SluiceException">The bytes are cut off.</exception>
    public string[] GetStrings(string name)
    {
        ref readonly var output = ref Output(name);
        if (output.DataType != DataType.Bytes)
            throw new InvalidOperationException($"output '{name}' is {output.DataType.WireName()}, not BYTES");
        var texts = new List<string>();
        for (var rest = output.Data.Span; !rest.IsEmpty;)
        {
            if (rest.Length < sizeof(uint) || BinaryPrimitives.ReadUInt32LittleEndian(rest) > rest.Length - sizeof(uint))
                throw new SluiceException(InferenceCode.Internal, $"output '{name}' ends within element {texts.Count}");
            var length = BinaryPrimitives.ReadInt32LittleEndian(rest);
            texts.Add(Encoding.UTF8.GetString(rest.Slice(sizeof(uint), length)));
            rest = rest[(sizeof(uint) + length)..];
        }

        return [.. texts];
    }

    /// <inheritdoc/>
    public void Dispose() => _message.Dispose();

    /// <summary>Takes the message and reads it.</summary>
    internal static InferResult Parse(ReceivedMessage message, bool isOfStream)
    {
        try
        {
            return new InferResult(
                message,
                isOfStream ? InferResponseReader.ReadOfStream(message.Memory) : InferResponseReader.Read(message.Memory));
        }
        catch (WireFormatException error)
        {
            message.Dispose();
            throw new SluiceException(InferenceCode.Internal, $"the answer is no valid message: {error.Message}", error);
        }
    }

    private ref readonly InferOutput Output(string name)
    {
        // Fails when the result has been disposed, instead of showing memory that is someone else's by now.
        _ = _message.Memory;
        var index = IndexOf(name);
        if (index < 0)
            throw new KeyNotFoundException($"the answer has no output '{name}'");
        return ref _response.Outputs[index];
    }

    private int IndexOf(string name)
    {
        Span<byte> utf8 = stackalloc byte[256];
        var wanted = Encoding.UTF8.TryGetBytes(name, utf8, out var length) ? utf8[..length] : Encoding.UTF8.GetBytes(name);
        for (var i = 0; i < _response.OutputCount; i++)
        {
            if (_response.Outputs[i].NameUtf8.Span.SequenceEqual(wanted))
                return i;
        }

        return -1;
    }

    private Dictionary<string, InferParameter> ReadParameters()
    {
        // A response's only field is its parameters' map, so the entries can be read as one.
        var parameters = new Dictionary<string, InferParameter>();
        foreach (var entry in _response.ParameterEntries)
        {
            using var field = new PooledWriter(entry.Length + 16);
            var writer = new WireWriter(field);
            writer.WriteField(0x22, entry.Span);
            writer.Flush();
            foreach (var (key, value) in ModelInferResponse.Parser.ParseFrom(field.Written.Span).Parameters)
                parameters[key] = value;
        }

        return parameters;
    }
}
