using Sluice.Client;
using Sluice.Protocol.Codec;
using Sluice.Protocol.Inference;

namespace Sluice.Functional.Tests.Infrastructure;

/// <summary>Requests of the built-in test models, and what a test wants to see of their answers.</summary>
internal static class SampleRequests
{
    /// <summary>A delay that no test waits for.</summary>
    public const uint Forever = 24 * 3600 * 1000;

    private static readonly Dictionary<string, InferParameter> WithEmptyFinal = new()
    {
        ["triton_enable_empty_final_response"] = new InferParameter { BoolParam = true },
    };

    public static InferRequestMessage Repeat(
        string id, int[] values, uint[]? delays = null, uint wait = 0, bool wantsEmptyFinal = false, string model = "repeat_int32") => new()
        {
            ModelName = model,
            Id = id,
            Inputs =
            [
                InferInput.Create<int>("IN", values, values.Length),
                InferInput.Create<uint>("DELAY", delays ?? new uint[values.Length], values.Length),
                InferInput.Create<uint>("WAIT", [wait], 1),
            ],
            Parameters = wantsEmptyFinal ? WithEmptyFinal : null,
        };

    public static InferRequestMessage Square(string id, int number, string model = "square_int32", bool wantsEmptyFinal = false) => new()
    {
        ModelName = model,
        Id = id,
        Inputs = [InferInput.Create<int>("IN", [number], 1)],
        Parameters = wantsEmptyFinal ? WithEmptyFinal : null,
    };

    public static InferRequestMessage Floats(string model, string id, float[] data, params long[] shape) => new()
    {
        ModelName = model,
        Id = id,
        Inputs = [InferInput.Wrap<float>("INPUT0", data, shape)],
    };

    /// <summary>Reads one answer as text: id, value or error, and <c>!</c> for the final one.</summary>
    public static async Task<string?> NextAsync(InferStreamCall stream)
    {
        using var result = await stream.ReadAsync().AsTask().WaitAsync(ServerFixture.Patience);
        if (result is null)
            return null;
        var value = result.Error ?? (result.Contains("OUT") ? $"{result.GetSpan<int>("OUT")[0]}" : result.OutputCount == 0 ? "none" : "other");
        var isFinal = result.Parameters.TryGetValue("triton_final_response", out var parameter) ? parameter.BoolParam ? "!" : "" : "?";
        return $"{result.Id}:{value}{isFinal}";
    }

    public static async Task<List<string>> NextAsync(InferStreamCall stream, int count)
    {
        var answers = new List<string>();
        while (answers.Count < count)
            answers.Add(await NextAsync(stream) ?? throw new InvalidOperationException("the stream has ended"));
        return answers;
    }

    public static async Task<List<string>> RestAsync(InferStreamCall stream)
    {
        var answers = new List<string>();
        while (await NextAsync(stream) is { } answer)
            answers.Add(answer);
        return answers;
    }
}
