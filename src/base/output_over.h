// Outputs that would take the place of what they are made of.
#ifndef MMUSIM_BASE_OUTPUT_OVER_H_
#define MMUSIM_BASE_OUTPUT_OVER_H_

#include <filesystem>
#include <fmt/format.h>
#include <string>
#include <system_error>
#include <vector>

#include "base/error.h"

namespace mmusim {

// For an output of another kind than what it is made of, as `option` names it. Errors: UsageError
// where it is one of these files, which would be lost.
inline void refuse_output_over(const std::vector<std::string>& inputs, const std::string& output,
                               const std::string& option = "--output") {
  std::error_code ignored;  // what is not there is nobody's
  for (const std::string& input : inputs)
    if (std::filesystem::is_regular_file(output, ignored) &&
        std::filesystem::equivalent(output, input, ignored))
      throw UsageError(option, fmt::format("'{}' is what it would be made of", output),
                       "name another file");
}

}  // namespace mmusim

#endif  // MMUSIM_BASE_OUTPUT_OVER_H_
