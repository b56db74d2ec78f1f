using Sluice.Inference;
using Sluice.Rest.Calls;
using Sluice.Tensors;

namespace Sluice.Rest.Json;

/// <summary>Writes a model's response parameters as members of a JSON object.</summary>
internal static class ParameterJsonWriter
{
    /// <summary>Writes <c>"key":value</c>.</summary>
    public static void Write(ResponseBuffer output, in ResponseParameter parameter)
    {
        output.WriteJsonString(parameter.Key);
        output.WriteRaw(":"u8);
        switch (parameter.Kind)
        {
            case ParameterKind.Bool:
                output.WriteRaw(parameter.Bits != 0 ? "true"u8 : "false"u8);
                break;
            case ParameterKind.String:
                output.WriteJsonString(parameter.Text);
                break;
            case ParameterKind.Double:
                WriteDouble(output, BitConverter.Int64BitsToDouble(parameter.Bits));
                break;
            case ParameterKind.UInt64:
                output.Advance(RealText.Format((ulong)parameter.Bits, output.GetSpan(RealText.MaxLength)));
                break;
            default:
                output.WriteNumber(parameter.Bits);
                break;
        }
    }

    /// <summary>JSON has no NaN or infinity; they go as strings, as in tensors.</summary>
    private static void WriteDouble(ResponseBuffer output, double value)
    {
        if (!double.IsFinite(value))
        {
            output.WriteJsonString(double.IsNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
            return;
        }

        output.Advance(RealText.Format(value, output.GetSpan(RealText.MaxLength)));
    }
}
