#include "cli/log.h"

#include <memory>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace mmusim::cli {
namespace {

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> kLogger = [] {
    auto made = std::make_shared<spdlog::logger>("mmusim",
                                                 std::make_shared<spdlog::sinks::stderr_sink_st>());
    made->set_pattern("%n: %l: %v");
    return made;
  }();
  return *kLogger;
}

// A message is one line, whatever bytes a file name or a trace has put into it.
std::string one_line(const std::string& text) {
  std::string line;
  for (const char c : text)
    line += static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? '?' : c;
  return line;
}

}  // namespace

void note(const std::string& text) {
  logger().info(one_line(text));
}
void warn(const std::string& text) {
  logger().warn(one_line(text));
}
void error(const std::string& text) {
  logger().error(one_line(text));
}

}  // namespace mmusim::cli
