namespace Sluice.Backends.Forest.Engine;

/// <summary>A way to find the leaves that rows fall into.</summary>
/// <remarks><b>Threads.</b> Any number; nothing is kept between calls.</remarks>
internal unsafe interface IForestKernel<T>
    where T : unmanaged
{
    /// <summary>For people: the layout and what it compares.</summary>
    string Name { get; }

    /// <summary>Memory of the layout, bytes.</summary>
    long ByteSize { get; }

    /// <summary>Finds the leaves of a few rows, tree after tree, and gives each to the sink.</summary>
    /// <param name="columns">Values of a <see cref="ColumnSet"/>, row by row.</param>
    /// <param name="rowCount">1 to <see cref="ForestEngine.BlockRows"/>.</param>
    /// <param name="hasMissing">Any of the values may be NaN.</param>
    /// <param name="sink">For each row it gets the trees in their order.</param>
    void Run<TSink>(T* columns, int rowCount, bool hasMissing, ref TSink sink)
        where TSink : struct, ILeafSink;
}

/// <summary>Takes leaves.</summary>
internal interface ILeafSink
{
    /// <summary>Takes one.</summary>
    /// <param name="row">Row of the block.</param>
    /// <param name="tree">Number of the tree.</param>
    /// <param name="leaf">Number of the leaf among those of all trees.</param>
    void Take(int row, int tree, int leaf);
}
