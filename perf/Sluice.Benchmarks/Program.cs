using BenchmarkDotNet.Running;
using Sluice.Benchmarks;

// --budget: a short run against perf/budgets.json, for CI. Otherwise BenchmarkDotNet with its own arguments.
if (args is ["--budget"])
    return BudgetCheck.Run(Path.Combine(AppContext.BaseDirectory, "budgets.json"));
BenchmarkSwitcher.FromAssembly(typeof(HotPathBenchmarks).Assembly).Run(args);
return 0;
