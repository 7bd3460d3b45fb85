#include "base/append_format.h"

#include <iterator>

namespace mmusim {

void append_formatted(fmt::memory_buffer& out, fmt::string_view format,
                      fmt::format_args arguments) {
  fmt::vformat_to(std::back_inserter(out), format, arguments);
}

}  // namespace mmusim
