using System.Globalization;
using Sluice.Protocol.Codec;
using Sluice.Tensors;

namespace Sluice.Load;

/// <summary>What the command line asks for.</summary>
internal sealed record LoadOptions
{
    public const string Help = """
        Puts load on a server of the open inference protocol and measures it.

        usage: sluice-load [--name VALUE]...

          --scenario NAME         grpc, stream, http-json or http-binary (grpc)
          --address HOST:PORT     the port of the scenario (localhost:8001, or :8000 for http-*)
          --model NAME            the model (simple)
          --input NAME:TYPE:DIMS  a tensor, such as INPUT0:INT32:1,16; once per input (those of simple)
          --concurrency LIST      closed loop: so many requests in flight, one run each, such as 1,16,64 (1)
          --rate LIST             open loop instead: requests per second, one run each, such as 1000,5000
          --seconds N             time that is measured (5)
          --warmup N              seconds before it (1)
          --server-pid PID        also report the CPU time per request of this process and its children
          --json                  one line of JSON per run instead of the table
          --max-p99-us N          exit with code 1 when a run's p99 is above
          --max-errors N          exit with code 1 when a run has more failed requests (0)

        An open loop sends on a schedule and counts latency from the moment a request was due, so a stalled server is
        charged for the requests that had to wait (no coordinated omission). At most 10,000 requests are in flight.

        examples:
          sluice-load --concurrency 1,16,64 --server-pid $(pgrep -f sluice.dll)
          sluice-load --scenario stream --concurrency 32
          sluice-load --rate 1000,2000,4000 --seconds 20 --max-p99-us 2000
          sluice-load --scenario http-binary --address localhost:8000 --model digits --input image:FP32:1,64

        exit codes: 0 measured and within the limits, 1 past a limit or nothing measured, 2 wrong arguments
        """;

    public string Scenario { get; private set; } = "grpc";

    public string? Address { get; private set; }

    public string Model { get; private set; } = "simple";

    public List<InferInput> Inputs { get; } = [];

    public IReadOnlyList<int> Concurrency { get; private set; } = [1];

    public IReadOnlyList<double> Rates { get; private set; } = [];

    public TimeSpan Duration { get; private set; } = TimeSpan.FromSeconds(5);

    public TimeSpan WarmUp { get; private set; } = TimeSpan.FromSeconds(1);

    public int? ServerProcessId { get; private set; }

    public bool IsJson { get; private set; }

    public double MaxP99Microseconds { get; private set; } = double.PositiveInfinity;

    public long MaxErrors { get; private set; }

    /// <summary>Reads the command line.</summary>
    /// <exception cref="FormatException">It is not understood; the message says where.</exception>
    public static LoadOptions Parse(ReadOnlySpan<string> arguments)
    {
        var options = new LoadOptions();
        for (var i = 0; i < arguments.Length; i++)
        {
            if (arguments[i] == "--json")
            {
                options.IsJson = true;
                continue;
            }

            if (i + 1 == arguments.Length)
                throw new FormatException($"{arguments[i]} needs a value, or is not known");
            options.Set(arguments[i], arguments[++i]);
        }

        if (options.Inputs.Count == 0)
            options.Inputs.AddRange([ParseInput("INPUT0:INT32:1,16"), ParseInput("INPUT1:INT32:1,16")]);
        return options;
    }

    private void Set(string name, string value)
    {
        try
        {
            switch (name)
            {
                case "--scenario": Scenario = value; break;
                case "--address": Address = value; break;
                case "--model": Model = value; break;
                case "--input": Inputs.Add(ParseInput(value)); break;
                case "--concurrency": Concurrency = [.. value.Split(',').Select(item => AtLeast(1, ParseInt(item)))]; break;
                case "--rate": Rates = [.. value.Split(',').Select(item => AtLeast(0.001, ParseNumber(item)))]; break;
                case "--seconds": Duration = TimeSpan.FromSeconds(AtLeast(0.1, ParseNumber(value))); break;
                case "--warmup": WarmUp = TimeSpan.FromSeconds(AtLeast(0, ParseNumber(value))); break;
                case "--server-pid": ServerProcessId = ParseInt(value); break;
                case "--max-p99-us": MaxP99Microseconds = ParseNumber(value); break;
                case "--max-errors": MaxErrors = ParseInt(value); break;
                default: throw new FormatException("there is no such option");
            }
        }
        catch (Exception error) when (error is FormatException or OverflowException)
        {
            throw new FormatException($"{name} {value}: {error.Message}", error);
        }
    }

    private static int ParseInt(string text) => int.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);

    private static double ParseNumber(string text) => double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);

    private static T AtLeast<T>(T least, T value)
        where T : IComparable<T> =>
        value.CompareTo(least) >= 0 ? value : throw new FormatException($"must be at least {least}");

    private static InferInput ParseInput(string text)
    {
        var parts = text.Split(':');
        if (parts.Length != 3 || !DataTypes.TryParse(parts[1], out var type) || type.ElementSize() == 0)
            throw new FormatException("an input is NAME:TYPE:DIM,DIM,… with a type of fixed size");
        long[] dims = [.. parts[2].Split(',').Select(item => (long)AtLeast(1, ParseInt(item)))];
        if (!Shape.Create(dims).TryGetByteSize(type, out var bytes) || bytes > int.MaxValue)
            throw new FormatException("the tensor is larger than a message can be");
        return InferInput.WrapRaw(parts[0], type, new byte[bytes], dims);
    }
}
