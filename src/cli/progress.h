// The progress line of commands that take --quiet.
#ifndef MMUSIM_CLI_PROGRESS_H_
#define MMUSIM_CLI_PROGRESS_H_

#include <cstdint>
#include <string>
#include <utility>

#include "base/interrupt.h"
#include "cli/arguments.h"
#include "report/progress.h"

namespace mmusim::cli {

// Where the progress goes. REQUIRES: --quiet is declared.
inline report::Progress::Style progress_style(const Arguments& arguments) {
  return arguments.has("quiet") ? report::Progress::Style::None
                                : report::Progress::style_for_stderr();
}

// Runs work(progress) and returns what it returns, where progress(done, total) is told bytes of a
// file: shown, and the place where an interrupt ends the work. REQUIRES: --quiet is declared.
template <class Work>
auto with_bytes_progress(const Arguments& arguments, std::string title, Work work) {
  report::Progress progress(std::move(title), "bytes", progress_style(arguments));
  return work([&](uint64_t done, uint64_t total) {
    check_interrupt();
    progress.update(done, total, done);
  });
}

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_PROGRESS_H_
