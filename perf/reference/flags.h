#ifndef SLUICE_PERF_REFERENCE_FLAGS_H_
#define SLUICE_PERF_REFERENCE_FLAGS_H_

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <utility>

namespace sluice {

// Command line flags of the form `--name value` or `--name=value`. Every flag takes a value.
class Flags {
 public:
  void String(const std::string& name, const std::string& help, std::string* value) {
    Add(name, help + (value->empty() ? "" : " (default " + *value + ")"), [value](auto& text) {
      *value = text;
      return true;
    });
  }

  // A flag that may be given several times.
  void Each(const std::string& name, const std::string& help,
            std::function<bool(const std::string&)> accept) {
    Add(name, help, std::move(accept));
  }

  void Int(const std::string& name, const std::string& help, int64_t low, int64_t high,
           int64_t* value) {
    Add(name, help + " (default " + std::to_string(*value) + ")", [=](auto& text) {
      char* end = nullptr;
      *value = std::strtoll(text.c_str(), &end, 10);
      return !text.empty() && *end == '\0' && *value >= low && *value <= high;
    });
  }

  void Seconds(const std::string& name, const std::string& help, double* value) {
    Add(name, help + " (default " + std::to_string(*value) + ")", [=](auto& text) {
      char* end = nullptr;
      *value = std::strtod(text.c_str(), &end);
      return !text.empty() && *end == '\0' && *value >= 0 && *value <= 86400;
    });
  }

  // Ends the program with exit code 2 when the command line is wrong.
  void ParseOrExit(int argc, char** argv) const {
    for (int i = 1; i < argc; ++i) {
      std::string name = argv[i];
      std::string value;
      const auto equals = name.find('=');
      if (equals != std::string::npos) {
        value = name.substr(equals + 1);
        name.resize(equals);
      }
      const auto flag = flags_.find(name);
      if (flag == flags_.end()) Fail(argv[0], name == "--help" ? "" : "unknown flag " + name);
      if (equals == std::string::npos) {
        if (++i == argc) Fail(argv[0], name + " needs a value");
        value = argv[i];
      }
      if (!flag->second.second(value)) Fail(argv[0], name + " does not take '" + value + "'");
    }
  }

 private:
  using Accept = std::function<bool(const std::string&)>;

  void Add(const std::string& name, const std::string& help, Accept accept) {
    flags_["--" + name] = {help, std::move(accept)};
  }

  [[noreturn]] void Fail(const char* program, const std::string& error) const {
    if (!error.empty()) std::cerr << program << ": " << error << "\n";
    std::cerr << "flags:\n";
    for (const auto& [name, flag] : flags_) std::cerr << "  " << name << "  " << flag.first << "\n";
    std::exit(2);
  }

  std::map<std::string, std::pair<std::string, Accept>> flags_;
};

}  // namespace sluice

#endif  // SLUICE_PERF_REFERENCE_FLAGS_H_
