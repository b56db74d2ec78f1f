namespace Sluice.Backends.Samples.Sequences;

/// <summary>What a sequence's sum is kept by.</summary>
internal enum SequenceKind
{
    /// <summary>By the row of the batch that the sequence has for itself.</summary>
    Slots,

    /// <summary>By the sequence's number, in input <c>CORRID</c>; also knows the end.</summary>
    Correlations,
}
