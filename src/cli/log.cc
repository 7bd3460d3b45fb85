#include "cli/log.h"

#include <memory>
#include <mutex>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <utility>

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

std::mutex message_mutex;
CapturedMessages::Take message_taker;

void say(Level level, const std::string& text) {
  const std::scoped_lock lock(message_mutex);
  if (message_taker) {
    message_taker(level, printable(text));
  } else if (level == Level::Note) {
    logger().info(printable(text));
  } else if (level == Level::Warning) {
    logger().warn(printable(text));
  } else {
    logger().error(printable(text));
  }
}

}  // namespace

void note(const std::string& text) {
  say(Level::Note, text);
}
void warn(const std::string& text) {
  say(Level::Warning, text);
}
void error(const std::string& text) {
  say(Level::Error, text);
}

CapturedMessages::CapturedMessages(Take into) {
  const std::scoped_lock lock(message_mutex);
  message_taker = std::move(into);
}
CapturedMessages::~CapturedMessages() {
  const std::scoped_lock lock(message_mutex);
  message_taker = nullptr;
}

}  // namespace mmusim::cli
