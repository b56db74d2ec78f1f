#ifndef SLUICE_PERF_REFERENCE_MEASUREMENT_H_
#define SLUICE_PERF_REFERENCE_MEASUREMENT_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace sluice {

using Clock = std::chrono::steady_clock;

// User plus system time of a process and all its threads so far, in microseconds; negative when
// there is no such process. The kernel counts it in ticks of 10 ms.
double ProcessCpuMicroseconds(int64_t pid);

// What one run has counted. One thread.
class Measurement {
 public:
  // Counting starts when the warm-up is over and stops at the end; a call belongs to the moment it
  // completes.
  Measurement(Clock::duration warm_up, Clock::duration duration, int64_t server_pid);

  // True while more calls are to be started.
  bool running() const { return phase_ != Phase::kOver; }
  uint64_t errors() const { return errors_; }
  uint64_t requests() const { return latencies_ns_.size(); }

  void Succeeded(Clock::time_point started);
  // Errors count in every phase, and the first one is kept.
  void Failed(const std::string& error);

  // One line of JSON.
  std::string Report();

 private:
  enum class Phase { kWarmUp, kMeasuring, kOver };

  void Advance(Clock::time_point now);
  double PercentileMicroseconds(double percentile);

  const Clock::duration duration_;
  const int64_t server_pid_;
  Phase phase_ = Phase::kWarmUp;
  Clock::time_point from_;
  Clock::time_point until_;
  double cpu_before_us_ = -1;
  double cpu_after_us_ = -1;
  uint64_t errors_ = 0;
  std::string first_error_;
  std::vector<uint64_t> latencies_ns_;
};

}  // namespace sluice

#endif  // SLUICE_PERF_REFERENCE_MEASUREMENT_H_
