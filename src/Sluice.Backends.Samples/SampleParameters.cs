using System.Globalization;
using Sluice.Inference;

namespace Sluice.Backends.Samples;

/// <summary>Reads the numbers among a configuration's parameters.</summary>
internal static class SampleParameters
{
    /// <summary>A month; a longer wait in a test model is a typing error.</summary>
    private const long MaxMilliseconds = 31L * 24 * 3600 * 1000;

    /// <summary>Reads a whole number; 0 when the key is absent.</summary>
    /// <exception cref="InferenceException">The value is no number from 0 up.</exception>
    public static long Number(ModelSettings settings, string key, long most = int.MaxValue)
    {
        if (!settings.Parameters.TryGetValue(key, out var text))
            return 0;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value <= most
            ? value
            : throw InferenceException.Invalid(
                $"parameter '{key}' of model '{settings.Name}' is '{text}', it must be a whole number from 0 to {most}");
    }

    /// <summary>Reads a duration given in milliseconds.</summary>
    public static TimeSpan Milliseconds(ModelSettings settings, string key) =>
        TimeSpan.FromMilliseconds(Number(settings, key, MaxMilliseconds));

    /// <summary>Reads a duration given in nanoseconds.</summary>
    public static TimeSpan Nanoseconds(ModelSettings settings, string key) =>
        TimeSpan.FromTicks(Number(settings, key, MaxMilliseconds * 1_000_000) / TimeSpan.NanosecondsPerTick);
}
