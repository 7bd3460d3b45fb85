#include "cli/log.h"

#include <memory>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "base/printable.h"

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

}  // namespace

void note(const std::string& text) {
  logger().info(printable(text));
}
void warn(const std::string& text) {
  logger().warn(printable(text));
}
void error(const std::string& text) {
  logger().error(printable(text));
}

}  // namespace mmusim::cli
