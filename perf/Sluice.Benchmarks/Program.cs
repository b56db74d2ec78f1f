using BenchmarkDotNet.Running;
using Sluice.Benchmarks;

// --budget: a short run against perf/budgets.json, for CI. --bare, --forest: see BareRun,
// ForestRun. Otherwise BenchmarkDotNet with its own arguments.
if (args is ["--budget"])
    return BudgetCheck.Run(Path.Combine(AppContext.BaseDirectory, "budgets.json"));
if (args is ["--bare", var model, var rows, var seconds])
    return BareRun.Run(model, rows, seconds);
if (args is ["--forest", .. var forests])
    return ForestRun.Run(forests);
BenchmarkSwitcher.FromAssembly(typeof(HotPathBenchmarks).Assembly).Run(args);
return 0;
