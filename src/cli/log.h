// Messages to the user on stderr: one line each, "mmusim: warning: ...", whatever bytes a file name
// or a trace has put into it.
#ifndef MMUSIM_CLI_LOG_H_
#define MMUSIM_CLI_LOG_H_

#include <cstdint>
#include <functional>
#include <string>

namespace mmusim::cli {

void note(const std::string& text);
void warn(const std::string& text);
void error(const std::string& text);

enum class Level : uint8_t { Note, Warning, Error };

// While one lives, messages go to a function in place of stderr, from any thread, one at a time.
// REQUIRES: one at a time.
class CapturedMessages {
 public:
  using Take = std::function<void(Level level, const std::string& text)>;
  explicit CapturedMessages(Take take);
  ~CapturedMessages();
  CapturedMessages(const CapturedMessages&) = delete;
  CapturedMessages& operator=(const CapturedMessages&) = delete;
};

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_LOG_H_
