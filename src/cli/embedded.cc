#include "cli/embedded.h"

#include "base/error.h"
#include "cli/log.h"
#include "cli/output.h"

namespace mmusim::cli {

void run_embedded(const Words& words, Said& said) {
  const CapturedOutput output(said.printed);
  const CapturedMessages messages([&](Level level, const std::string& text) {
    if (level == Level::Error) said.errors.push_back(text);
    if (level == Level::Warning) said.warnings.push_back(text);
  });
  const std::string failure = failure_of([&] { dispatch(commands(), words); });
  if (!failure.empty()) throw InternalError(failure);
}

}  // namespace mmusim::cli
