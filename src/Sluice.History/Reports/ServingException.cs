namespace Sluice.History.Reports;

/// <summary>A serving call that is refused, with the codes of the original (spec clearml §6.1).</summary>
public sealed class ServingException : Exception
{
    /// <summary>Refuses a call with status 400.</summary>
    /// <param name="subcode">The original's second code.</param>
    /// <param name="message">What is wrong.</param>
    public ServingException(int subcode, string message)
        : base(message) => Subcode = subcode;

    /// <summary>The original's second code.</summary>
    public int Subcode { get; }

    /// <summary>A field is missing that must be there, or has a wrong value.</summary>
    public static ServingException Validation(string message) => new(12, $"Validation error ({message})");

    /// <summary>Values of fields do not fit each other.</summary>
    public static ServingException FieldsValue(string message) => new(16, $"Invalid value for fields ({message})");

    /// <summary>No container serves the address.</summary>
    public static ServingException NoContainers(string url) => new(1052, $"No serving containers for the endpoint url: url={url}");
}
