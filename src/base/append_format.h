// Formatted text at the end of a buffer: what fmt::format_to() does, compiled once.
//
// fmt 9 compiles its whole writer, numbers and all, into each file that calls format_to(): about
// two seconds of the compiler's and 75 KB of object code each time. Safe to call from any thread,
// on buffers of its own.
#ifndef MMUSIM_BASE_APPEND_FORMAT_H_
#define MMUSIM_BASE_APPEND_FORMAT_H_

#include <fmt/format.h>

namespace mmusim {

void append_formatted(fmt::memory_buffer& out, fmt::string_view format, fmt::format_args arguments);

template <class... Arguments>
void append_format(fmt::memory_buffer& out, fmt::format_string<Arguments...> format,
                   Arguments&&... arguments) {
  append_formatted(out, format, fmt::make_format_args(arguments...));
}

}  // namespace mmusim

#endif  // MMUSIM_BASE_APPEND_FORMAT_H_
