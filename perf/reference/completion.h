#ifndef SLUICE_PERF_REFERENCE_COMPLETION_H_
#define SLUICE_PERF_REFERENCE_COMPLETION_H_

#include <functional>
#include <utility>

namespace sluice {

// What a completion queue's tag points at. Lives as long as the operation that carries it.
class Completion {
 public:
  explicit Completion(std::function<void(bool)> done) : done_(std::move(done)) {}
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;

  void operator()(bool ok) { done_(ok); }

 private:
  std::function<void(bool)> done_;
};

}  // namespace sluice

#endif  // SLUICE_PERF_REFERENCE_COMPLETION_H_
