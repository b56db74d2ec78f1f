#include "measurement.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iomanip>
#include <iterator>
#include <sstream>

namespace sluice {
namespace {

std::string JsonString(const std::string& text) {
  std::ostringstream out;
  out << '"';
  for (const unsigned char c : text) {
    if (c == '"' || c == '\\') {
      out << '\\' << c;
    } else if (c < 0x20) {
      out << ' ';
    } else {
      out << c;
    }
  }
  out << '"';
  return out.str();
}

}  // namespace

double ProcessCpuMicroseconds(int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  // The program's name may hold anything, so count fields from the last parenthesis: state is the
  // third.
  const auto close = text.rfind(')');
  if (close == std::string::npos) return -1;
  std::istringstream fields(text.substr(close + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user, system;
  if (!(fields >> user >> system)) return -1;
  return (user + system) * 1e6 / static_cast<double>(sysconf(_SC_CLK_TCK));
}

Measurement::Measurement(Clock::duration warm_up, Clock::duration duration, int64_t server_pid)
    : duration_(duration), server_pid_(server_pid), from_(Clock::now() + warm_up) {}

void Measurement::Succeeded(Clock::time_point started) {
  const auto now = Clock::now();
  Advance(now);
  if (phase_ == Phase::kMeasuring) {
    latencies_ns_.push_back(
        std::chrono::duration_cast<std::chrono::nanoseconds>(now - started).count());
  }
}

void Measurement::Failed(const std::string& error) {
  Advance(Clock::now());
  if (errors_++ == 0) first_error_ = error;
}

void Measurement::Advance(Clock::time_point now) {
  if (phase_ == Phase::kWarmUp && now >= from_) {
    phase_ = Phase::kMeasuring;
    from_ = now;
    cpu_before_us_ = ProcessCpuMicroseconds(server_pid_);
  }
  if (phase_ == Phase::kMeasuring && now >= from_ + duration_) {
    phase_ = Phase::kOver;
    until_ = now;
    cpu_after_us_ = ProcessCpuMicroseconds(server_pid_);
  }
}

double Measurement::PercentileMicroseconds(double percentile) {
  if (latencies_ns_.empty()) return 0;
  const auto rank = std::ceil(percentile / 100 * static_cast<double>(latencies_ns_.size()));
  const auto nth = latencies_ns_.begin() + static_cast<int64_t>(std::max(rank, 1.0)) - 1;
  std::nth_element(latencies_ns_.begin(), nth, latencies_ns_.end());
  return static_cast<double>(*nth) / 1000;
}

std::string Measurement::Report() {
  // Only a run whose calls all broke ends before its time.
  if (phase_ != Phase::kOver) until_ = Clock::now();
  const auto count = static_cast<double>(requests());
  const double seconds = std::chrono::duration<double>(until_ - from_).count();
  std::ostringstream out;
  out << std::fixed << std::setprecision(2) << "{\"requests\":" << requests()
      << ",\"errors\":" << errors_ << ",\"rps\":" << (count > 0 ? count / seconds : 0)
      << ",\"p50_us\":" << PercentileMicroseconds(50)
      << ",\"p90_us\":" << PercentileMicroseconds(90)
      << ",\"p99_us\":" << PercentileMicroseconds(99)
      << ",\"p99_9_us\":" << PercentileMicroseconds(99.9) << ",\"cpu_us_per_request\":";
  if (count > 0 && cpu_before_us_ >= 0 && cpu_after_us_ >= 0) {
    out << (cpu_after_us_ - cpu_before_us_) / count;
  } else {
    out << "null";
  }
  if (errors_ > 0) out << ",\"first_error\":" << JsonString(first_error_);
  out << "}";
  return out.str();
}

}  // namespace sluice
